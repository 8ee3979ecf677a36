"""Every kind of sound model keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("soundfile")
pytest.importorskip("torch")

from contract.media_encoder_contract import MediaEncoderContract
from encoders.audio import audio_encoder
from encoders.media_config import AISFX, AudioEncoderConfig, MediaConfig
from encoders.media_encoder import MediaEncoder
from support.data.media_files import sound
from support.data.sounds import KINDS, RATE, synthetic
from support.fakes.tiny_media_models import AUDIO_KINDS, save_audio_model


def some_sounds() -> list[bytes]:
    """Of a third of a second to six, so that there is one window, part of one, and several."""
    rng = np.random.default_rng(1)
    lengths = (0.3, 1.0, 1.6, 7.6)
    return [sound(synthetic(KINDS[n], rng, seconds), RATE) for n, seconds in enumerate(lengths)]


class TestAisfx(MediaEncoderContract):
    modality = "audio"

    @pytest.fixture
    def encoder(self) -> MediaEncoder[Any]:
        pytest.importorskip("aisfx")
        return audio_encoder(AudioEncoderConfig(model=AISFX, seconds=2.0), MediaConfig())

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return some_sounds()


@pytest.fixture(scope="session", params=AUDIO_KINDS)
def audio_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_audio_model(request.param, tmp_path_factory.mktemp(request.param))


class TestAudioFolder(MediaEncoderContract):
    modality = "audio"

    @pytest.fixture
    def encoder(self, audio_folder: Path) -> MediaEncoder[Any]:
        return audio_encoder(AudioEncoderConfig(model=str(audio_folder)), MediaConfig())

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return some_sounds()
