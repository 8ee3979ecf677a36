"""Files of what users declare -> declarations: Parquet, CSV or JSON lines, all checked before the first batch.

A line of JSON is what a record of the profiles topic is; a row of another file has the same fields as columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.errors import LogError
from streams.events.declaration import FIELDS, UserDeclaration, decode_declarations
from streams.events.event import Reject, TimeLimits
from streams.files.data_files import check_files
from streams.files.fields import short_names
from streams.files.location import Location
from streams.files.plain_values import plain_values
from streams.files.rows import TabularFile
from streams.files.tabular_file import read_file, read_json_lines

BATCH_ROWS: Final = 5_000
NEEDED: Final = ("user_id", "interests")

_decode_line = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True, eq=False)
class DeclarationBatch:
    """Declarations of consecutive rows of one file; `position` of a reject is the row's number over all files, from 0."""

    path: Location
    first_row: int
    """number over all files of the first row"""
    file_row: int
    """number in its file of the same row, from 0, the header not counted"""
    rows: int
    declarations: list[UserDeclaration]
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class DeclarationFiles:
    """Checked files. Iterate them for their batches, as often as you like.

    at: unix seconds of rows without a time. now: unix seconds that times are judged by.
    """

    files: tuple[tuple[TabularFile, Mapping[str, str]], ...]
    """each with field -> column"""
    at: float
    now: float
    limits: TimeLimits

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(file.rows for file, _ in self.files)

    def __iter__(self) -> Iterator[DeclarationBatch]:
        first_row = 0
        for file, columns in self.files:
            file_row = 0
            for records in _records(file, columns):
                n = len(records)
                decoded = decode_declarations(
                    records, keys=[None] * n, written=[self.at] * n, now=self.now, limits=self.limits
                )
                rejects = [
                    Reject(first_row + one.position, one.reason, one.detail) for one in decoded.rejects
                ]
                yield DeclarationBatch(file.path, first_row, file_row, n, decoded.declarations, rejects)
                first_row, file_row = first_row + n, file_row + n


def open_declarations(
    paths: Sequence[Location | Path | str],
    mapping: Mapping[str, str],
    *,
    at: float,
    now: float,
    limits: TimeLimits,
) -> DeclarationFiles:
    """Check all files, structure and columns. Columns for user_id and interests are needed.

    Args:
        mapping: field -> column, of those that are called otherwise.

    Raises:
        LogError: names the file, and the column, row or line.
    """
    opened = []
    for file in check_files(paths):
        columns = {name: mapping.get(name, name) for name in FIELDS}
        for name in (*NEEDED, *mapping):
            if not file.has(columns[name]):
                place = "its first lines have" if file.kind == "json" else "its columns are"
                raise LogError(
                    f"{file.path}: no column {columns[name]!r} (for {name}); {place} {short_names(file.columns)}; "
                    "name others with --map user_id=COLUMN,interests=COLUMN"
                )
        opened.append((file, {name: column for name, column in columns.items() if file.has(column)}))
    return DeclarationFiles(tuple(opened), at, now, limits)


def _records(
    file: TabularFile, columns: Mapping[str, str]
) -> Iterator[list[bytes | Mapping[str, Any] | None]]:
    if file.kind == "json":
        for lines in read_json_lines(file, BATCH_ROWS):
            yield [_named(line, columns, file.partitions) for line in lines]
        return
    wanted = list(dict.fromkeys(columns.values()))
    for rows in read_file(file, wanted, BATCH_ROWS):
        held = {name: plain_values(rows.columns[column]) for name, column in columns.items()}
        yield [dict(zip(held, values, strict=True)) for values in zip(*held.values(), strict=True)]


def _named(
    line: bytes, columns: Mapping[str, str], in_folders: Mapping[str, str | None]
) -> bytes | Mapping[str, Any]:
    """A line with the fields' own names; as it is where it has these, or is no object."""
    renamed = {column: name for name, column in columns.items() if name != column}
    if not renamed and not in_folders:
        return line
    try:
        record = {**in_folders, **_decode_line(line)}
    except (msgspec.DecodeError, ValueError, RecursionError):
        return line
    return {renamed.get(name, name): value for name, value in record.items()}
