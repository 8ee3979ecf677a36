"""Catalogue files -> item rows: Parquet, CSV or JSON lines, all checked before the first batch.

Rows are made by the rules of the items topic (`streams.events.item_record`), whatever the kind of file. What a CSV holds is
text: a further column is of numbers or booleans if all its values are (`streams.files.text_kinds`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.errors import LogError
from streams.events.attributes import SERVED, ItemRefused
from streams.events.event import ItemRow, Reject
from streams.events.item_record import ItemDescription, decoded_record, item_row, named_item
from streams.events.json_errors import undecodable
from streams.files.catalogue_columns import item_columns
from streams.files.data_files import check_files
from streams.files.location import Location
from streams.files.media_values import beside, folder_of, media_references
from streams.files.plain_values import plain_values
from streams.files.rows import Rows, TabularFile
from streams.files.tabular_file import read_file, read_json_lines
from streams.files.text_kinds import reader_of, text_kinds

BATCH_ROWS: Final = 5_000
ItemFields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueBatch:
    """Items of some consecutive rows; `position` of a reject is the row's number over all files, from 0."""

    rows: list[ItemRow]
    rejects: list[Reject]
    refused_ids: list[str | None]
    """(R,) the item that each rejected row names; None where that can't be read"""
    left_out: Counter[str] = field(default_factory=Counter)
    """further fields with values that are no attributes -> in how many rows"""


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """One file that was checked."""

    file: TabularFile
    columns: Mapping[str, str]
    """field or attribute -> column; of JSON lines those of the first lines"""
    readers: Mapping[str, Callable[[bytes], Any]]
    """column of a CSV -> how its cells are read"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Checked files that are read as one catalogue. Iterate it for its batches, as often as you like."""

    files: tuple[CatalogueFile, ...]
    description: ItemDescription
    batch_rows: int

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(one.file.rows for one in self.files)

    @property
    def has_texts(self) -> bool:
        """Whether any of the files has a column of texts."""
        return any({"title", "description"} & set(one.columns) for one in self.files)

    @property
    def has_media(self) -> bool:
        """Whether any of the files has a column of pictures or sounds."""
        return any(set(self.description.media) & set(one.columns) for one in self.files)

    def __iter__(self) -> Iterator[CatalogueBatch]:
        first_row = 0
        for one in self.files:
            for records in _records(one, self.description.media, self.batch_rows):
                yield _batch(records, one, self.description, first_row)
                first_row += len(records)


def open_catalogue(
    paths: Sequence[Location | Path | str],
    description: ItemDescription | None = None,
    *,
    needed: Sequence[str] = (),
    allow_empty: bool = False,
    batch_rows: int = BATCH_ROWS,
) -> Catalogue:
    """Check all files, structure and columns. A column for `item_id` is needed, and one for a title or a description.

    Args:
        paths: files, folders, globs and URLs, or what `streams.files.expand` made of them.
        needed: fields that must be there, since they were mapped by hand.
        allow_empty: a file may have no texts.

    Raises:
        LogError: names the file, and the column, row or line.
    """
    if not paths:
        raise LogError("no catalogue files given")
    description = description or ItemDescription()
    opened = []
    for file in check_files(paths):
        columns = item_columns(file, description, needed, allow_empty=allow_empty)
        opened.append(CatalogueFile(file, columns, _readers(file, columns, description, batch_rows)))
    return Catalogue(tuple(opened), description, batch_rows)


def _readers(
    file: TabularFile, columns: Mapping[str, str], description: ItemDescription, batch_rows: int
) -> dict[str, Callable[[bytes], Any]]:
    known = (*description.content_fields, *SERVED)
    further = [column for name, column in columns.items() if name not in known]
    if file.kind != "csv" or not further:
        return {}
    kinds = text_kinds(read_file(file, further, batch_rows), further)
    return {column: reader_of(kind) for column, kind in kinds.items() if kind != "text"}


def _records(one: CatalogueFile, media: Sequence[str], batch_rows: int) -> Iterator[list[ItemFields | bytes]]:
    """Lines of JSON, or rows by their columns' names."""
    if one.file.kind == "json":
        for lines in read_json_lines(one.file, batch_rows):
            yield list(lines)
        return
    names = list(dict.fromkeys(one.columns.values()))
    of_media = {one.columns[name] for name in media if name in one.columns}
    folder = folder_of(one.file.path)
    for rows in read_file(one.file, names, batch_rows):
        columns = [
            media_references(rows.columns[name], folder, one.file.kind == "csv")
            if name in of_media
            else _values(rows, name, one.readers.get(name))
            for name in names
        ]
        yield [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(rows: Rows, name: str, reader: Callable[[bytes], Any] | None) -> Iterable[Any]:
    values = plain_values(rows.columns[name])
    if reader is None:
        return values
    return [None if value is None else reader(value) for value in values]


def _batch(
    records: Sequence[ItemFields | bytes],
    one: CatalogueFile,
    description: ItemDescription,
    first_row: int,
) -> CatalogueBatch:
    # Column -> value of all rows, for lines of JSON that lie in folders with such names.
    in_folders = one.file.partitions
    folder = folder_of(one.file.path) if description.media else ""
    batch = CatalogueBatch([], [], [])
    left_out: list[str] = []
    for position, given in enumerate(records):
        record: ItemFields | None = None
        try:
            record = {**in_folders, **decoded_record(given)} if isinstance(given, bytes) else given
            row = item_row(record, description, left_out)
            if isinstance(given, bytes) and (row.image or row.audio):
                row.image, row.audio = (beside(named, folder) for named in (row.image, row.audio))
            batch.rows.append(row)
            continue
        except ItemRefused as error:
            why = error.why
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            why = undecodable(error, given if isinstance(given, bytes) else b"?")
        batch.rejects.append(Reject(first_row + position, *why))
        batch.refused_ids.append(named_item(record or {}, description))
    batch.left_out.update(left_out)
    return batch
