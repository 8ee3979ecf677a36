"""Sounds of any kind become samples or a reason."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("soundfile")

from encoders.decode_audio import decode_audio
from encoders.media import MediaUnusable
from encoders.media_config import MediaConfig
from support.data.media_files import sound, tone, wav_of_declared

LIMITS = MediaConfig()


def result(data: bytes, limits: MediaConfig = LIMITS) -> str:
    try:
        decode_audio(data, 16_000, 30.0, limits)
    except MediaUnusable as error:
        return error.result
    return "ok"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_the_four_formats_give_the_same_sound(kind: str) -> None:
    """Mono float32 at the wanted rate, whatever the file's rate is."""
    samples = decode_audio(sound(tone(440, 1.0, 44_100), 44_100, kind), 16_000, 30.0, LIMITS)
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) < 2500  # MP3 pads
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(np.argmax(spectrum) * 16_000 / len(samples) - 440) < 5


def test_the_middle_of_a_long_sound_is_heard() -> None:
    """Not its beginning, which may be silent."""
    rate = 8000
    whole = np.concatenate([np.zeros(2 * rate), tone(300, 2, rate), np.zeros(2 * rate)])
    middle = decode_audio(sound(whole, rate), rate, 2.0, LIMITS)
    assert len(middle) == 2 * rate
    assert abs(float(np.sqrt((middle**2).mean())) - 0.3 / np.sqrt(2)) < 0.01


def test_channels_are_mixed() -> None:
    """The mean of left and right."""
    left, right = tone(300), tone(500)
    mixed = decode_audio(sound(np.stack([left, right], 1), subtype="FLOAT"), 16_000, 30.0, LIMITS)
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-6)


def test_empty_cut_and_strange_files_have_their_results() -> None:
    """0 bytes, a header alone, text, a picture, and a compressed file that ends in the middle."""
    flac = sound(np.random.default_rng(0).normal(0, 0.1, 50_000), kind="FLAC")
    assert result(b"") == "broken"
    assert result(wav_of_declared(16_000, 0, b"")) == "broken"
    assert result(flac[: len(flac) // 2]) in {"broken", "ok"}
    assert result(flac[:30]) == "broken"
    assert result(b"just text, and more of it") == "wrong_format"
    assert result(b"\x89PNG\r\n\x1a\n") == "wrong_format"


def test_absurd_declarations_are_refused_before_anything_is_decoded() -> None:
    """A rate of 4 GHz or 1 Hz, hundreds of channels, or years of sound."""
    assert result(wav_of_declared(4_000_000_000, 200)) == "broken"  # no rate at all to libsndfile
    assert result(wav_of_declared(2_000_000_000, 200)) == "wrong_format"
    assert result(wav_of_declared(1, 200)) == "wrong_format"
    assert result(wav_of_declared(16_000, 20_000, b"\0" * 20_000, channels=500)) in {"wrong_format", "broken"}
    assert result(sound(tone(440, 3.0)), MediaConfig(max_seconds=2.0)) == "too_large"


def test_samples_that_are_no_numbers_are_broken() -> None:
    """NaN and infinity would spread over every vector; a huge but finite one is cut."""
    for bad in (np.nan, np.inf):
        samples = tone()
        samples[100] = bad
        assert result(sound(samples, subtype="FLOAT")) == "broken"
    samples = tone()
    samples[100] = 1e30
    assert np.abs(decode_audio(sound(samples, subtype="FLOAT"), 16_000, 30.0, LIMITS)).max() <= 8


def test_random_bytes_never_raise_anything_else() -> None:
    """Whatever follows a valid beginning, the answer is samples or a result."""
    rng = np.random.default_rng(0)
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        whole = np.frombuffer(sound(tone(440, 0.3), kind=kind), np.uint8)
        for _ in range(40):
            damaged = whole.copy()
            damaged[rng.integers(12, len(whole), 5)] = rng.integers(0, 256, 5)
            assert result(damaged.tobytes()) in {"ok", "broken", "too_large", "wrong_format"}
