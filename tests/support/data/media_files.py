"""Pictures and sounds made on the spot, sound ones and hostile ones."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "PNG", **options: Any) -> bytes:
    """A picture of smooth colours that `seed` determines."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(file, kind, **options)
    return file.getvalue()


def png_of_declared_size(width: int, height: int) -> bytes:
    """A few bytes that declare any number of pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 4096, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sound(
    samples: np.ndarray[Any, Any], rate: int = 16_000, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """A file of samples (T,) or (T, C)."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def tone(hz: float = 440.0, seconds: float = 1.0, rate: int = 16_000) -> np.ndarray[Any, Any]:
    """(T,) float32 of a sine."""
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav_of_declared(rate: int, data_bytes: int, body: bytes = b"\0\0" * 100, channels: int = 1) -> bytes:
    """A WAV whose header says whatever it likes."""
    header = struct.pack(
        "<IHHIIHH", 16, 1, channels, rate, (rate * 2 * channels) & 0xFFFFFFFF, 2 * channels, 16
    )
    return (
        b"RIFF"
        + struct.pack("<I", 36 + data_bytes)
        + b"WAVEfmt "
        + header
        + b"data"
        + struct.pack("<I", data_bytes)
        + body
    )
