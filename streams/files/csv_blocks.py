"""Bytes of CSV cut where rows end, whatever stands inside quotes, so that each piece can be parsed alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from streams.errors import LogError
from streams.files.rows import MAX_ROW_BYTES

BLOCK_BYTES: Final = 1 << 20


def whole_rows(stream: io.BufferedIOBase, delimiter: str, shown: str) -> Iterator[bytes]:
    """The stream in blocks of about `BLOCK_BYTES`, each of whole rows; the last may lack its line end.

    A quote counts where a field begins; one inside of a field, as in `5" pot`, is a character like others.

    >>> list(whole_rows(io.BytesIO(b'a,"1\\n2"\\nb,5" pot'), ",", "log.csv"))
    [b'a,"1\\n2"\\n', b'b,5" pot']

    Raises:
        LogError: a row is too long to be held, or a quote is never closed.
    """
    rest = b""
    while piece := stream.read(BLOCK_BYTES):
        block = rest + piece
        end = _end_of_rows(block, delimiter)
        if end:
            yield block[:end]
        rest = block[end:]
        if len(rest) > MAX_ROW_BYTES:
            raise LogError(
                f"{shown}: a row is longer than {MAX_ROW_BYTES >> 20} MiB; is a quote opened and never closed?"
            )
    if rest:
        if not ends_closed(rest, delimiter):
            raise LogError(f"{shown}: a quote is opened and never closed; the file is cut short or damaged")
        yield rest


def ends_closed(block: bytes, delimiter: str) -> bool:
    """Whether no quote is open at the end."""
    spans = _quoted(block, delimiter)
    return not spans or spans[-1][2]


def ends_with_quote(block: bytes, delimiter: str) -> bool:
    """Whether the last field stands in quotes, so that it is seen where it ends."""
    spans = _quoted(block, delimiter)
    return bool(spans) and spans[-1][1:] == (len(block), True)


def rows_ended(block: bytes, delimiter: str) -> int:
    """Rows that end in a block, those that are blank left out.

    >>> rows_ended(b'a,"1\\n2"\\n\\nb,"5', ",")
    1
    """
    rows, at = 0, 0
    for start, end, _ in [*_quoted(block, delimiter), (len(block), 0, True)]:
        lines = re.split(rb"[\r\n]", block[at:start])
        # Two line ends that follow each other, and one after the other, end one row.
        rows += sum(bool(line.strip()) or (number == 0 and at > 0) for number, line in enumerate(lines[:-1]))
        at = end
    return rows


def _end_of_rows(block: bytes, delimiter: str) -> int:
    """Where the last line end outside of quotes ends; 0 if there is none."""
    end = len(block)
    for start, stop, _ in reversed(_quoted(block, delimiter)):
        found = _line_end(block, stop, end)
        if found:
            return found
        end = start
    return _line_end(block, 0, end)


def _line_end(block: bytes, start: int, end: int) -> int:
    return max(block.rfind(b"\n", start, end), block.rfind(b"\r", start, end)) + 1


def _quoted(block: bytes, delimiter: str) -> list[tuple[int, int, bool]]:
    """Start and end of each field in quotes, and whether its quote is closed."""
    if b'"' not in block:
        return []
    return [(found.start(), found.end(), bool(found[1])) for found in _pattern(delimiter).finditer(block)]


@lru_cache(maxsize=16)
def _pattern(delimiter: str) -> re.Pattern[bytes]:
    before = re.escape(delimiter.encode())
    # First the quote, which is found fast, then what must not be before it; doubled quotes are one field's.
    return re.compile(rb'"(?<![^' + before + rb'\r\n]")(?:[^"]++|"")*+("|\Z)')
