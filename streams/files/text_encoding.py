"""Text of any encoding as UTF-8: byte order marks are taken off, UTF-16 is recognised, others are read when they are named."""

from __future__ import annotations

import codecs
import io
from typing import Final, Protocol

from streams.errors import LogError

_CHUNK: Final = 1 << 20
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class _Encoded(Protocol):
    @property
    def encoding(self) -> str | None: ...


def encoding_of(start: bytes) -> tuple[str | None, int]:
    """The encoding that the first bytes of a text tell, None if they don't, and the length of its mark.

    UTF-16 without a mark is known by its zeros: a log begins with ASCII, a name of a column or a brace.

    >>> encoding_of("user_id".encode("utf-16")), encoding_of(b"user_id"), encoding_of("{}".encode("utf-16-be"))
    (('utf-16-le', 2), (None, 0), ('utf-16-be', 0))
    """
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name, len(mark)
    if len(start) >= 4:
        zeros = [byte == 0 for byte in start[:4]]
        if zeros == [False, True, False, True]:
            return "utf-16-le", 0
        if zeros == [True, False, True, False]:
            return "utf-16-be", 0
    return None, 0


def is_encoding(name: str) -> bool:
    """Whether it is the name of an encoding of text that can be read in pieces."""
    try:
        codecs.getincrementaldecoder(name)("strict").decode(b"a")
        return isinstance("".encode(name), bytes) and isinstance(codecs.decode(b"", name), str)
    except (LookupError, UnicodeError, TypeError, ValueError):
        return False


def as_utf8(stream: io.BufferedIOBase, file: _Encoded) -> io.BufferedIOBase:
    """The text of a stream of bytes, as UTF-8 without a mark. What is UTF-8 already is passed on as it is, valid or not.

    file: as what it is shown in errors, and the encoding that the user gave, which a mark in the file outdoes.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_Pieces(stream), _CHUNK)
    found, mark = encoding_of(buffered.peek(4)[:4])
    encoding = found or file.encoding or "utf-8"
    if mark:
        buffered.read(mark)
    if codecs.lookup(encoding).name == "utf-8":
        return buffered
    return io.BufferedReader(_Transcoded(buffered, encoding, str(file)), _CHUNK)


class _Pieces(io.RawIOBase):
    """A stream without `peek`, to be buffered."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        return self._stream.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Transcoded(io.RawIOBase):
    """Text of another encoding, as UTF-8."""

    def __init__(self, stream: io.BufferedReader, encoding: str, shown: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._shown = shown
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left and not self._ended:
            piece = self._stream.read(_CHUNK)
            self._ended = not piece
            try:
                self._left = self._decoder.decode(piece, final=self._ended).encode("utf-8", "surrogatepass")
            except UnicodeDecodeError as error:
                where = "it is cut short, or" if self._ended else "it is damaged, or"
                raise LogError(
                    f"{self._shown}: has bytes that are not {self._encoding} ({error.reason}); {where} of another encoding"
                ) from None
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
