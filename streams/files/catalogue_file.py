"""Catalogue files -> item rows: Parquet, CSV or JSON lines, all checked before the first batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.errors import LogError
from streams.events.event import MAX_TEXT_CHARS, ItemRow, Reject
from streams.events.ids import RowRejects
from streams.events.item_record import item_reject_reason
from streams.files.data_files import check_files
from streams.files.fields import CATALOGUE_FIELDS, columns_of_fields, find_fields
from streams.files.location import Location
from streams.files.rows import Rows, TabularFile
from streams.files.tabular_file import read_file
from streams.files.values import optional_strings

BATCH_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueBatch:
    """Items of some consecutive rows; `position` of a reject is the row's number over all files, from 0."""

    rows: list[ItemRow]
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Checked files that are read as one catalogue. Iterate it for its batches, as often as you like."""

    files: tuple[TabularFile, ...]
    fields: tuple[Mapping[str, str], ...]
    batch_rows: int

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(file.rows for file in self.files)

    def __iter__(self) -> Iterator[CatalogueBatch]:
        first_row = 0
        for file, fields in zip(self.files, self.fields, strict=True):
            for rows in read_file(file, list(fields.values()), self.batch_rows):
                yield _batch(rows, fields, first_row)
                first_row += rows.count


def open_catalogue(
    paths: Sequence[Location | Path | str],
    mapping: Mapping[str, str] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
) -> Catalogue:
    """Check all files, structure and columns. `item_id` is needed; a missing or null other field is "".

    Args:
        paths: files, folders, globs and URLs, or what `streams.files.expand` made of them.
        mapping: field -> column of the files, for columns of another name (`streams.files.fields`).

    Raises:
        LogError: names the file, and the column, row or line.
    """
    if not paths:
        raise LogError("no catalogue files given")
    files = check_files(paths)
    return Catalogue(files, tuple(_fields(file, mapping or {}) for file in files), batch_rows)


def _fields(file: TabularFile, mapping: Mapping[str, str]) -> dict[str, str]:
    found = find_fields(file, CATALOGUE_FIELDS, mapping, required=("item_id",))
    # A line of JSON may have fields that the first lines have not.
    return columns_of_fields(CATALOGUE_FIELDS, mapping) if file.kind == "json" else found


def _batch(rows: Rows, fields: Mapping[str, str], first_row: int) -> CatalogueBatch:
    row_rejects: RowRejects = dict(rows.rejects)
    columns = {
        name: optional_strings(rows.columns[column], column, row_rejects) for name, column in fields.items()
    }
    empty: list[str | None] = [None] * rows.count
    items: list[ItemRow] = []
    rejects: list[Reject] = []
    for position, (item_id, title, description, scenario) in enumerate(
        zip(*(columns.get(name, empty) for name in CATALOGUE_FIELDS), strict=True)
    ):
        reason = row_rejects.get(position) or item_reject_reason(item_id or "", scenario or "")
        if reason is not None:
            rejects.append(Reject(first_row + position, *reason))
            continue
        items.append(
            ItemRow(
                item_id or "",
                (title or "")[:MAX_TEXT_CHARS],
                (description or "")[:MAX_TEXT_CHARS],
                scenario or "",
            )
        )
    return CatalogueBatch(items, rejects)
