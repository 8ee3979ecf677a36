"""Compressed files: gzip, bzip2 and Zstandard, by suffix."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path
from typing import Final

import pyarrow as pa

PACKED: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


def packing(path: Path) -> str | None:
    """By which compression the file is packed, None: by none."""
    return PACKED.get(path.suffix.lower())


def open_bytes(path: Path) -> io.BufferedIOBase:
    """For Python. At its end the checksum was verified."""
    how = packing(path)
    if how == "gzip":
        return gzip.open(path, "rb")
    if how == "bz2":
        return bz2.open(path, "rb")
    return io.BufferedReader(pa.input_stream(str(path), compression=how)) if how else path.open("rb")


def open_native(path: Path) -> pa.NativeFile:
    """For pyarrow, which reads ahead in a thread: from a Python file it would need the interpreter there, and a process that
    ends meanwhile, say because a column is missing, is aborted instead."""
    return pa.input_stream(str(path), compression=packing(path))
