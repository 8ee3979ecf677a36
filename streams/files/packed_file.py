"""Bytes of text files: unpacked from gzip, bzip2 or Zstandard, and in UTF-8 without a byte order mark, whatever they were."""

from __future__ import annotations

import bz2
import gzip
import io
import re
from typing import Any, Final

import pyarrow as pa

from streams.files.location import Location
from streams.files.text_encoding import as_utf8

_MAGIC: Final = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)"), "bz2"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd"),
)
_BUFFER_BYTES: Final = 1 << 20


def packing(start: bytes) -> str | None:
    """By which compression a file with these first bytes is packed, None: by none. Names don't matter: stores and browsers
    unpack on the way, and do not rename.

    >>> packing(gzip.compress(b"x")), packing(b"user_id,item_id")
    ('gzip', None)
    """
    return next((how for magic, how in _MAGIC if magic.match(start)), None)


def packing_of(file: Location) -> str | None:
    """The same of a file. Raises OSError."""
    with file.open_raw() as stream:
        return packing(stream.read(10))


def open_unpacked(file: Location) -> io.BufferedIOBase:
    """Its bytes as they were before they were packed. At the end the checksum was verified.

    Raises:
        OSError, EOFError, zlib.error: also while it is read.
    """
    how = packing_of(file)
    raw = file.open_raw()
    if how == "gzip":
        return io.BufferedReader(_Unpacked(gzip.GzipFile(fileobj=raw, mode="rb"), raw), _BUFFER_BYTES)
    if how == "bz2":
        return io.BufferedReader(_Unpacked(bz2.BZ2File(raw, "rb"), raw), _BUFFER_BYTES)
    if how == "zstd":
        return io.BufferedReader(_Unpacked(pa.CompressedInputStream(raw, how), raw), _BUFFER_BYTES)
    return raw


def open_bytes(file: Location) -> io.BufferedIOBase:
    """Its text as UTF-8.

    Raises:
        OSError, EOFError, zlib.error: also while it is read.
        LogError: while it is read, where bytes are none of its encoding.
    """
    return as_utf8(open_unpacked(file), file)


class _Unpacked(io.RawIOBase):
    """What an unpacker reads from a file; closes both."""

    def __init__(self, unpacker: Any, raw: io.BufferedIOBase) -> None:
        self._unpacker = unpacker
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        return int(self._unpacker.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self._unpacker.close()
            self._raw.close()
        super().close()
