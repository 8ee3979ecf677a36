"""The sound models: what they can tell apart, and what is never loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("soundfile")

from encoders.audio import AudioFolder, audio_encoder
from encoders.errors import EncoderConfigError
from encoders.media import Media
from encoders.media_config import AISFX, AudioEncoderConfig, MediaConfig
from encoders.mel import BLOCK_SAMPLES, RATE_HZ, mel_blocks
from support.data.media_files import sound
from support.data.sounds import KINDS, RATE, synthetic
from support.fakes.tiny_media_models import save_audio_model


def test_aisfx_tells_kinds_of_sound_apart() -> None:
    """Of seven kinds, five each of other pitch, tempo and loudness, more than .9 have one of their kind as the nearest."""
    pytest.importorskip("aisfx")
    rng = np.random.default_rng(0)
    kinds = [kind for kind in KINDS for _ in range(5)]
    media = [
        Media.of_bytes("audio", sound(synthetic(kind, rng), RATE, subtype="PCM_16"), 1 << 20)
        for kind in kinds
    ]
    vectors = audio_encoder(AudioEncoderConfig(model=AISFX), MediaConfig()).encode(media).vectors
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosine = centred @ centred.T
    np.fill_diagonal(cosine, -2)
    labels = np.array(kinds)
    assert (labels[cosine.argmax(axis=1)] == labels).mean() > 0.9


def test_a_tone_fills_the_mel_band_of_its_pitch() -> None:
    """A full tone is near 1 in its band and near nothing far from it; silence is 0."""
    time = np.arange(BLOCK_SAMPLES) / RATE_HZ
    low, high, silence = mel_blocks(
        np.stack([np.sin(2 * np.pi * hz * time) for hz in (500, 5000)] + [0 * time]).astype(np.float32)
    )
    bands = np.linspace(0, 1127 * np.log1p(22_050 / 700), 98)[1:-1]
    for tone, hz in ((low, 500), (high, 5000)):
        loudest = int(tone.mean(dim=0).argmax())
        assert abs(bands[loudest] - 1127 * np.log1p(hz / 700)) < 45
        assert 0.7 < float(tone.max()) < 1.05
    assert float(silence.abs().max()) == 0
    assert float(low[:, 80:].max()) < 0.3


def test_silence_behind_a_short_sound_is_not_heard(tmp_path: Path) -> None:
    """What fills a window up is masked: the vector is near that of the model's own call without any filling."""
    import transformers

    folder = save_audio_model("wavlm", tmp_path)
    samples = synthetic("sweep", np.random.default_rng(0), 1.0)[::3][:14_000]
    found = AudioFolder(AudioEncoderConfig(model=str(folder))).vectors([samples])[0]
    model = transformers.WavLMModel.from_pretrained(str(folder)).eval()
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(str(folder))
    inputs = extractor(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = model(inputs["input_values"]).last_hidden_state[0].mean(dim=0).numpy()
    cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.995


def test_wrong_folders_are_refused_at_the_start(tmp_path: Path) -> None:
    """A name that is no folder, another kind of model, pickled weights."""
    with pytest.raises(EncoderConfigError, match="neither a packaged model nor a folder"):
        audio_encoder(AudioEncoderConfig(model="laion/clap"), MediaConfig())
    folder = save_audio_model("wav2vec2", tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"wav2vec2"', '"whisper"'))
    with pytest.raises(EncoderConfigError, match="a whisper model; it must be one of wavlm"):
        audio_encoder(AudioEncoderConfig(model=str(folder)), MediaConfig())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderConfigError, match=r"lacks \*\.safetensors"):
        audio_encoder(AudioEncoderConfig(model=str(folder)), MediaConfig())


def test_how_much_is_heard_is_part_of_the_fingerprint() -> None:
    """Vectors of 5 and of 30 seconds are not the same content's."""
    pytest.importorskip("aisfx")
    short, long = (
        audio_encoder(AudioEncoderConfig(model=AISFX, seconds=seconds), MediaConfig()).fingerprint
        for seconds in (5.0, 30.0)
    )
    assert short != long
