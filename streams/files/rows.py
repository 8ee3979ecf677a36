"""A table file that was checked, and some of its rows: what the readers of all kinds of files give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from streams.events.event import RejectReason
from streams.files.location import Location
from streams.files.nested import type_at
from streams.files.parquet_types import read_type

FileKind = Literal["parquet", "csv", "json"]
Column: TypeAlias = Any
"""A `pyarrow.Array` or a list of decoded JSON values; pyarrow has no types for mypy."""

MAX_ROW_BYTES: Final = 1 << 22
"""A longer row of CSV or line of JSON is refused, since it must be held whole."""
BATCH_BYTES: Final = 1 << 24
"""About this much of a file is unpacked at once, whatever its number of rows."""


@dataclass(frozen=True, slots=True)
class TabularFile:
    """A file that was checked."""

    path: Location
    kind: FileKind
    columns: tuple[str, ...]
    """names of its columns; of JSON lines the names in the first 1000 lines"""
    types: dict[str, pa.DataType]
    """Arrow type of each column where the file tells (Parquet); `type_of` has those in which they are read"""
    rows: int
    """number of rows"""
    partitions: Mapping[str, str | None] = field(default_factory=dict)
    """value, the same for all rows, of each column that stands in the names of its folders and not in the file itself; these
    columns are among `columns`"""
    inner: tuple[str, ...] = ()
    """paths of the values in its structs, to be proposed"""

    def type_of(self, path: str) -> pa.DataType | None:
        """Type of what a dotted path (`streams.files.nested`) leads to; None where there is none, or the file does not tell."""
        found = type_at(self.types, path)
        return None if found is None else read_type(found)

    def has(self, path: str) -> bool:
        """Whether there is a column of that name, or a value at the end of that path."""
        return path in self.columns or self.type_of(path) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some consecutive rows of a file: one column a wanted name, and the rows that could not be decoded."""

    columns: dict[str, Column]
    count: int
    rejects: dict[int, tuple[RejectReason, str]] = field(default_factory=dict)
    lines: Sequence[bytes] | None = None
    """of JSON lines, where no column was asked for: the rows as they stand"""

    def first(self, count: int) -> Rows:
        """The first rows of these."""
        return self if count >= self.count else self._between(0, count)

    def without_first(self, count: int) -> Rows:
        """All but the first rows of these."""
        return self if count <= 0 else self._between(min(count, self.count), self.count)

    def _between(self, start: int, end: int) -> Rows:
        columns = {name: column[start:end] for name, column in self.columns.items()}
        rejects = {row - start: why for row, why in self.rejects.items() if start <= row < end}
        lines = None if self.lines is None else self.lines[start:end]
        return Rows(columns, end - start, rejects, lines)


def is_text(kind: pa.DataType) -> bool:
    """Strings, or bytes that may be strings."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )
