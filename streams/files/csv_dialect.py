"""How a CSV file is written: what stands before its header, its delimiter, its columns' names."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Final

from streams.errors import LogError
from streams.files.rows import MAX_ROW_BYTES

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MAX_COLUMNS: Final = 10_000
HEAD_BYTES: Final = MAX_ROW_BYTES + (1 << 16)
NOT_UTF8: Final = (
    "not UTF-8; it is Latin-1 or Windows-1252, say, as office programs write: save it as UTF-8, or name its encoding, "
    "such as --encoding cp1252"
)
_SAMPLE_BYTES: Final = 1 << 16
_SAMPLE_ROWS: Final = 50
_LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_SEP: Final = re.compile(rb'"?sep=(.)"?\s*', re.IGNORECASE)
_DATA: Final = re.compile(r"[+-]?\d{6,}([.,]\d+)?|\d{4}-\d\d-\d\d.*")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How the rows of a file are to be read."""

    start: int
    """bytes before the first row: comments, a "sep=" line and the header"""
    delimiter: str
    names: tuple[str, ...]
    """one for each column of a row; "" for one without a name; none at all for a file without a header"""
    added: bool = False
    """the last name was added, for a delimiter at the end of each row that the header has not; nothing may stand in it"""


def dialect_of(head: bytes, shown: str, delimiter: str | None = None) -> CsvDialect:
    """Of a file whose first `HEAD_BYTES` bytes, in UTF-8, are these.

    >>> dialect_of(b"sep=;\\nuser_id;item_id\\nada;1,5\\n", "log.csv")
    CsvDialect(start=22, delimiter=';', names=('user_id', 'item_id'), added=False)

    Args:
        shown: the file's name, for errors.
        delimiter: as the user gave it; None: as the header and the first rows tell.

    Raises:
        LogError: there is no header, or several delimiters fit.
    """
    at, comment, told, header = 0, b"", delimiter, b""
    while at < len(head):
        record = _record(head, at, shown)
        at += len(record)
        sep = _SEP.fullmatch(record)
        if sep is not None:
            told = told or sep[1].decode("latin-1")
        elif record.startswith(b"#"):
            comment = record
        elif record.strip():
            header = record
            break
    if not header:
        return CsvDialect(at, delimiter or ",", ())
    if max(header.count(known.encode()) for known in DELIMITERS) >= MAX_COLUMNS:
        raise LogError(f"{shown}: the header names more than {MAX_COLUMNS:,} columns")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        raise LogError(f"{shown}: its header is {NOT_UTF8}") from None
    sample = head[at : at + _SAMPLE_BYTES].decode("utf-8", "replace")
    is_cut = len(head) == HEAD_BYTES or at + _SAMPLE_BYTES < len(head)
    found = told or _delimiter(text, sample, is_cut, shown)
    written = _split(text, found)[0]
    names = [name.strip() for name in written]
    if any(_DATA.fullmatch(name) for name in names):
        commented = [
            name.strip() for name in _split(comment.decode("utf-8", "replace").lstrip("#"), found)[0]
        ]
        if comment and len(commented) == len(names):
            return CsvDialect(at - len(header), found, tuple(commented))
        raise LogError(
            f"{shown}: has no header: its first row holds values, such as numbers, where the columns' names should be; "
            "put a row of names before it"
        )
    if sum(name.startswith(" ") for name in written[1:]) * 2 > len(names) - 1 > 0:
        raise LogError(
            f"{shown}: has a blank after each {DELIMITERS.get(found, 'delimiter')}, which would be part of the values; "
            "write it without them"
        )
    rows = _split(sample, found, is_cut)
    width = len(rows[0]) or len(names)
    if not names[-1] and width == len(names) - 1:
        return CsvDialect(at, found, tuple(names[:-1]))
    if width == len(names) + 1 and all(not row[-1] for row in rows if len(row) == width):
        return CsvDialect(at, found, (*names, ""), added=True)
    return CsvDialect(at, found, tuple(names))


def _record(head: bytes, start: int, shown: str) -> bytes:
    """The row that begins there, with line ends inside quotes, and with its end."""
    end = start
    while end < len(head):
        line = _LINE.match(head, end)
        assert line is not None
        end = line.end()
        record = head[start:end]
        if record.startswith(b"#") or record.count(b'"') % 2 == 0:
            break
    if end - start > MAX_ROW_BYTES:
        raise LogError(
            f"{shown}: a row is longer than {MAX_ROW_BYTES >> 20} MiB; is a quote opened and never closed?"
        )
    return head[start:end]


def _delimiter(header: str, sample: str, is_cut: bool, shown: str) -> str:
    """The one that splits the header, and the first rows into as many columns."""
    widths = {delimiter: len(_split(header, delimiter)[0]) for delimiter in DELIMITERS}
    able = [delimiter for delimiter, width in widths.items() if width > 1]
    if len(able) < 2:
        return able[0] if able else ","
    if not sample.strip():
        return max(able, key=widths.__getitem__)
    fitting = [
        delimiter
        for delimiter in able
        if all(len(row) == widths[delimiter] for row in _split(sample, delimiter, is_cut))
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = " and ".join(repr(delimiter) for delimiter in fitting or able)
    raise LogError(
        f"{shown}: {names} may both separate its columns; name the one that does, such as --delimiter '{able[0]}'"
    )


def _split(text: str, delimiter: str, is_cut: bool = False) -> list[list[str]]:
    """The first rows that are not blank, one without columns if there are none; is_cut: the last may be half a row."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        is_cut = False  # a field of more than 128 KiB, which was not added
    if len(rows) > _SAMPLE_ROWS or (is_cut and rows):
        rows.pop()
    return rows or [[]]
