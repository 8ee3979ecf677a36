"""Sections behind a packed state's names: a tag, a length and a content each. A release that does not know a tag skips it."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from transfer.arrays import I64

SECTION = np.dtype([("tag", "S4"), ("bytes", "<u4")])


def section(tag: bytes, content: bytes) -> bytes:
    """One section.

    >>> list(sections(section(b"ABCD", b"xy") + section(b"EFGH", b"")))
    [(b'ABCD', b'xy'), (b'EFGH', b'')]
    """
    return tag + len(content).to_bytes(4, "little") + content


def sections(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Tag and content of each, up to the first that is no whole one."""
    at = 0
    while at < len(content):
        start = at + SECTION.itemsize
        end = start + int.from_bytes(content[at + 4 : start], "little")
        if start > len(content) or end > len(content):
            return
        yield content[at : at + 4], content[start:end]
        at = end


def sections_of(blobs: Sequence[bytes], starts: I64, some: npt.NDArray[np.bool_]) -> list[bytes]:
    """What follows the names of each state (N,), b"" where there is nothing."""
    return [
        blob[start:] if more else b""
        for blob, start, more in zip(blobs, starts.tolist(), some.tolist(), strict=True)
    ]
