"""A compressed batch of Kafka records, unpacked a piece at a time: no more is in memory than was asked for.

aiokafka unpacks a batch whole, and a legal batch of 1 MB may hold gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Protocol

from streams.errors import UnreadableBatch

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
"""Codes of the attributes of a batch; 0: not compressed."""

_XERIAL = b"\x82SNAPPY\x00"
"""Begins the framing of Java's clients: a header of 16 bytes, then blocks with their lengths."""
_XERIAL_HEADER_BYTES = 16
_INPUT_BYTES = 64 << 10


class Unpacked(Protocol):
    """The bytes of a batch's records."""

    def read(self, n_bytes: int) -> bytes:
        """The next `n_bytes`, fewer only at the end.

        Raises:
            UnreadableBatch: these bytes are not what the codec wrote.
        """
        ...


def decompress(codec: int, packed: memoryview, most_bytes: int) -> Unpacked:
    """Read what `packed` holds.

    Args:
        most_bytes: of one block, where a codec unpacks only whole ones (snappy).

    Raises:
        UnreadableBatch: there is no such codec.
    """
    if codec == 0:
        return _Plain(packed)
    if codec == GZIP:
        return _Gzip(packed)
    if codec == SNAPPY:
        return _Snappy(packed, most_bytes)
    if codec in (LZ4, ZSTD):
        return _Stream(packed, "lz4" if codec == LZ4 else "zstd")
    raise UnreadableBatch(f"it is compressed by a codec that is not known here (number {codec})")


class _Plain:
    def __init__(self, packed: memoryview) -> None:
        self._left = packed

    def read(self, n_bytes: int) -> bytes:
        piece, self._left = bytes(self._left[:n_bytes]), self._left[n_bytes:]
        return piece


class _Gzip:
    def __init__(self, packed: memoryview) -> None:
        self._left = packed
        self._tail = b""
        self._member = zlib.decompressobj(wbits=31)

    def read(self, n_bytes: int) -> bytes:
        pieces: list[bytes] = []
        wanted = n_bytes
        try:
            while wanted:
                if self._member.eof:  # one stream may follow another
                    self._tail = self._member.unused_data
                    if not self._tail and not self._left:
                        break
                    self._member = zlib.decompressobj(wbits=31)
                if not self._tail:
                    self._tail, self._left = bytes(self._left[:_INPUT_BYTES]), self._left[_INPUT_BYTES:]
                ended = not self._tail
                piece = self._member.decompress(self._tail, wanted)
                self._tail = self._member.unconsumed_tail
                if not piece and ended and not self._member.eof:
                    raise UnreadableBatch("its gzip stream is cut off")
                pieces.append(piece)
                wanted -= len(piece)
        except zlib.error as error:
            raise UnreadableBatch(f"its gzip stream is damaged ({error})") from None
        return b"".join(pieces)


class _Snappy:
    def __init__(self, packed: memoryview, most_bytes: int) -> None:
        self._framed = bytes(packed[: len(_XERIAL)]) == _XERIAL
        self._left = packed[_XERIAL_HEADER_BYTES:] if self._framed else packed
        self._most_bytes = most_bytes
        self._block = memoryview(b"")

    def read(self, n_bytes: int) -> bytes:
        pieces: list[memoryview] = []
        wanted = n_bytes
        while wanted:
            if not self._block:
                if not self._left:
                    break
                self._block = self._next_block()
                continue
            piece, self._block = self._block[:wanted], self._block[wanted:]
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _next_block(self) -> memoryview:
        import cramjam

        block, self._left = self._left, self._left[:0]
        if self._framed:
            if len(block) < 4:
                raise UnreadableBatch("its snappy stream is cut off")
            (length,) = struct.unpack_from("!i", block)
            if not 0 < length <= len(block) - 4:
                raise UnreadableBatch("its snappy stream is damaged (length of a block)")
            block, self._left = block[4 : 4 + length], block[4 + length :]
        try:
            size = int(cramjam.snappy.decompress_raw_len(bytes(block)))
            if size > self._most_bytes:
                raise UnreadableBatch(
                    f"a block of its snappy stream unpacks to {size} bytes, the limit is {self._most_bytes}"
                )
            return memoryview(bytes(cramjam.snappy.decompress_raw(bytes(block))))
        except cramjam.DecompressionError as error:
            raise UnreadableBatch(f"its snappy stream is damaged ({error})") from None


class _Stream:
    """Codecs that Arrow reads as streams."""

    def __init__(self, packed: memoryview, codec: str) -> None:
        import pyarrow

        self._codec = codec
        self._stream: Any = pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), codec)

    def read(self, n_bytes: int) -> bytes:
        try:
            return bytes(self._stream.read(n_bytes))
        except OSError as error:
            raise UnreadableBatch(f"its {self._codec} stream is damaged ({error})") from None
