"""Media: one picture or sound as a catalogue gives it, known by its bytes; and why one can't be used."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

import xxhash

Modality: TypeAlias = Literal["text", "image", "audio"]
MODALITIES: Final[tuple[Modality, ...]] = ("text", "image", "audio")
"""In the order in which their vectors are joined."""
MEDIA: Final[tuple[Modality, ...]] = ("image", "audio")
"""Those whose content comes as bytes."""

MediaResult: TypeAlias = Literal[
    "ok", "absent", "too_large", "too_many_pixels", "wrong_format", "broken", "not_found", "refused"
]
RESULTS: Final[tuple[MediaResult, ...]] = (
    "ok",
    "absent",
    "too_large",
    "too_many_pixels",
    "wrong_format",
    "broken",
    "not_found",
    "refused",
)
"""What became of an item's picture or sound. absent: it names none."""

_READ_BYTES: Final = 1 << 20
_NO_WAITING: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe in the place of a file must not hold anybody up."""


class MediaUnusable(Exception):
    """This picture or sound can't be used; the item goes on without it. The text names no path and quotes no content."""

    def __init__(self, result: MediaResult, detail: str) -> None:
        super().__init__(detail)
        self.result: MediaResult = result


@dataclass(frozen=True, slots=True)
class Media:
    """One picture or sound: its bytes, or the file that they are in."""

    modality: Modality
    digest: str
    """xxh3-128 of the bytes, hex"""
    data: bytes | None = None
    path: Path | None = None
    """as it was found: no part of it is a link"""

    @classmethod
    def of_bytes(cls, modality: Modality, data: bytes, max_bytes: int) -> Media:
        """Of bytes that a record held.

        Raises:
            MediaUnusable: there are none, or more than `max_bytes`.
        """
        _check_size(len(data), max_bytes)
        return cls(modality, xxhash.xxh3_128_hexdigest(data), data=data)

    @classmethod
    def of_file(cls, modality: Modality, path: Path, max_bytes: int) -> Media:
        """Of a file, which is read through once and not kept. path: without links, as `os.path.realpath` gives it.

        Raises:
            MediaUnusable: it is gone, no regular file, empty or larger than `max_bytes`.
        """
        digest, size = xxhash.xxh3_128(), 0
        with open_without_links(path) as file:
            _check_size(os.fstat(file.fileno()).st_size, max_bytes)
            while block := file.read(_READ_BYTES):
                size += len(block)
                _check_size(size, max_bytes)  # it may grow meanwhile
                digest.update(block)
        return cls(modality, digest.hexdigest(), path=path)

    def read(self, max_bytes: int) -> bytes:
        """The bytes that `digest` is of.

        Raises:
            MediaUnusable: the file is gone, or another one by now.
        """
        if self.data is not None:
            return self.data
        assert self.path is not None
        with open_without_links(self.path) as file:
            data = file.read(max_bytes + 1)
        _check_size(len(data), max_bytes)
        if xxhash.xxh3_128_hexdigest(data) != self.digest:
            raise MediaUnusable("broken", "the file changed while it was read")
        return data


@contextmanager
def open_without_links(path: Path) -> Iterator[BinaryIO]:
    """The regular file at an absolute path, following no link on the way: who may write there can't swap one in.

    Raises:
        MediaUnusable: it is not there, can't be read, or is no regular file.
    """
    folder = os.open(path.anchor, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *above, name = path.parts[1:]
        try:
            for part in above:
                inner = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
                )
                os.close(folder)
                folder = inner
            number = os.open(name, _NO_WAITING | os.O_NOFOLLOW, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MediaUnusable("not_found", "no such file") from error
        except OSError as error:
            raise MediaUnusable("refused", f"the file can't be opened ({error.strerror})") from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise MediaUnusable("refused", "no regular file")
    with os.fdopen(number, "rb") as file:
        yield file


def _check_size(size: int, max_bytes: int) -> None:
    if not size:
        raise MediaUnusable("broken", "empty")
    if size > max_bytes:
        raise MediaUnusable("too_large", f"more than {max_bytes:,} bytes")
