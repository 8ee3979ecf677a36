"""Bytes of a sound to samples, whatever they hold: bounded in length, one channel, at the model's rate."""

from __future__ import annotations

import io
from math import gcd
from typing import TYPE_CHECKING, Final

import numpy as np

from encoders.arrays import F32
from encoders.errors import MissingPackage
from encoders.media import MediaUnusable
from encoders.media_config import MediaConfig
from encoders.media_formats import require_format

if TYPE_CHECKING:
    from soundfile import SoundFile

_FORMATS: Final = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "MPEG")
_MOST_CHANNELS: Final = 32
_LEAST_RATE_HZ: Final = 1000
_BLOCK_FRAMES: Final = 1 << 16
_LOUDEST: Final = np.float32(8.0)
"""Files of floats may hold more than 1, and any number at all: what overflows in a model is no sound."""


def decode_audio(data: bytes, rate_hz: int, seconds: float, limits: MediaConfig) -> F32:
    """Samples (T,) float32 of a WAV, FLAC, Ogg or MP3: `seconds` from its middle at most, mean of the channels, at `rate_hz`.

    Raises:
        MediaUnusable: wrong_format (also an absurd rate or number of channels), too_large (longer than
            `limits.max_seconds`), or broken (also: no samples, samples that are not finite).
        MissingPackage: soundfile is not installed.
    """
    require_format(data, "audio")
    try:
        import soundfile
    except (ModuleNotFoundError, OSError) as error:  # the package without its library raises OSError
        raise MissingPackage("sounds need soundfile: pip install 'driftline[audio]'") from error
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_header(file, limits)
            rate = int(file.samplerate)
            samples = _middle(file, int(seconds * rate))
    except MediaUnusable:
        raise
    except Exception as error:  # soundfile raises its own error, and those of the reading of bytes
        raise MediaUnusable("broken", f"can't be decoded ({type(error).__name__})") from error
    if not len(samples):
        raise MediaUnusable("broken", "no samples")
    if not np.isfinite(samples).all():
        raise MediaUnusable("broken", "samples that are not finite")
    return np.clip(_resampled(samples, rate, rate_hz), -_LOUDEST, _LOUDEST)


def _check_header(file: SoundFile, limits: MediaConfig) -> None:
    """What the file declares of itself; nothing was decoded yet."""
    if file.format not in _FORMATS:
        raise MediaUnusable("wrong_format", "no WAV, FLAC, Ogg or MP3")
    if not _LEAST_RATE_HZ <= file.samplerate <= limits.max_rate_hz:
        raise MediaUnusable(
            "wrong_format", f"a sampling rate outside {_LEAST_RATE_HZ} to {limits.max_rate_hz} Hz"
        )
    if not 1 <= file.channels <= _MOST_CHANNELS:
        raise MediaUnusable("wrong_format", f"more than {_MOST_CHANNELS} channels")
    if file.frames > limits.max_seconds * file.samplerate:
        raise MediaUnusable("too_large", f"longer than {limits.max_seconds:g} s")


def _middle(file: SoundFile, wanted: int) -> F32:
    """(T,) float32 of the middle, block by block, so that many channels never lie in memory together."""
    wanted = min(wanted, file.frames)
    start = (file.frames - wanted) // 2
    if start:
        file.seek(start)
    mono = np.empty(wanted, np.float32)
    done = 0
    while done < wanted:
        block = file.read(min(_BLOCK_FRAMES, wanted - done), dtype="float32", always_2d=True)
        if not len(block):
            break  # shorter than its header says
        mono[done : done + len(block)] = block.mean(axis=1)
        done += len(block)
    return mono[:done]


def _resampled(samples: F32, rate: int, wanted: int) -> F32:
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return np.asarray(resample_poly(samples, wanted // common, rate // common), np.float32)
