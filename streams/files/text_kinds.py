"""What the columns of a CSV hold: text is all that a CSV has, so a column is of numbers if each of its values is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from streams.files.rows import Rows

TextKind = Literal["number", "boolean", "text"]

# Not "007" and not 16 digits: those are ids.
_NUMBER: Final = r"^-?(0|[1-9][0-9]{0,14})([.][0-9]+)?([eE][+-]?[0-9]{1,2})?$"
_BOOLEAN: Final = r"^([Tt]rue|[Ff]alse|TRUE|FALSE)$"
_PATTERNS: Final[Mapping[TextKind, str]] = {"number": _NUMBER, "boolean": _BOOLEAN}


def text_kinds(batches: Iterable[Rows], columns: Sequence[str]) -> dict[str, TextKind]:
    """Column -> what all its values are, empty ones aside. A column without any value is of text."""
    possible: dict[str, set[TextKind]] = {column: {"number", "boolean"} for column in columns}
    seen: set[str] = set()
    for rows in batches:
        for column, kinds in possible.items():
            values = rows.columns[column]
            if len(values) == values.null_count:
                continue
            seen.add(column)
            kinds -= {kind for kind in kinds if not _all_match(values, _PATTERNS[kind])}
    return {
        column: next(iter(kinds)) if kinds and column in seen else "text"
        for column, kinds in possible.items()
    }


def reader_of(kind: TextKind) -> Callable[[bytes], Any]:
    """From a cell of such a column to its value."""
    readers: dict[TextKind, Callable[[bytes], Any]] = {"number": _number, "boolean": _boolean, "text": bytes}
    return readers[kind]


def _all_match(values: pa.Array, pattern: str) -> bool:
    try:
        texts = values.cast(pa.string())
    except pa.ArrowInvalid:  # not UTF-8
        return False
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _number(cell: bytes) -> int | float:
    return int(cell) if cell.lstrip(b"-").isdigit() else float(cell)


def _boolean(cell: bytes) -> bool:
    return cell.lower() == b"true"
