"""A file and a description -> its rows, read by the rules by which records of a topic are.

JSON lines go to the very decoder of the topics, in whatever envelope. Columns of CSV and Parquet, which have none, go through
the same rules for ids and times, value by value; a path is the name of a column, or leads into the structs and lists of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from streams.errors import LogError
from streams.event_log.positions import RowPositions, whole_numbers
from streams.event_log.rows import LogRows
from streams.events.columns import Coded, factorise_optional, recode
from streams.events.description import EventDescription
from streams.events.event_flags import POSITION_FIELDS
from streams.events.ids import RowRejects
from streams.events.paths import BESIDE, OUTSIDE, parse_path, path_text
from streams.events.proposal import likely_flags
from streams.events.record_fields import EMPTY_IS_NONE, RecordFields
from streams.files.fields import (
    check_type,
    find_fields,
    missing_column,
)
from streams.files.rows import Rows, TabularFile
from streams.files.tabular_file import read_file
from streams.files.values import measures, seconds, strings
from streams.wire.event_decoder import EventDecoder
from streams.wire.record_batch import RecordBatch
from transfer.arrays import I64
from transfer.codes import NONE
from transfer.weigh import MEASURES

FILE_PATH = "@path"
"""The file that a row is in, as a field of it."""


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of one file."""

    file: TabularFile
    description: EventDescription
    """for JSON lines with the positions in Kafka among its further fields"""
    places: Mapping[str, str]
    """field -> column, or path into one, of the fields that are read as columns; of JSON lines these are in the folders' names
    alone"""
    has_positions: bool
    lines: EventDecoder | None = None
    """of JSON lines: what stands around each of them"""

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are read."""
        return list(dict.fromkeys(column for column in self.places.values() if column != FILE_PATH))

    def read(self, batch_rows: int, first_row: int = 0, end: int | None = None) -> Iterator[LogRows]:
        """The rows from a row on to before `end`, at most `batch_rows` at a time.

        Raises:
            LogError: the file is damaged inside.
        """
        left = (self.file.rows if end is None else end) - first_row
        for rows in read_file(self.file, self.columns, batch_rows, first_row):
            yield self._fields(rows.first(left))
            left -= rows.count
            if left <= 0:
                return

    def _fields(self, rows: Rows) -> LogRows:
        if rows.lines is None or self.lines is None:
            read = RecordFields(rows.count, {}, None, np.full(rows.count, np.nan), rejects=dict(rows.rejects))
        else:
            read = self.lines.read(RecordBatch.lines(rows.lines))
        read = self._with_columns(read, rows)
        return LogRows(read, self._positions(read) if self.has_positions else None)

    def _with_columns(self, read: RecordFields, rows: Rows) -> RecordFields:
        rejects: RowRejects = read.rejects
        ignored: RowRejects = {}  # a row that does not tell where it comes from is still an event
        texts, numbers = dict(read.texts), dict(read.measures)
        time, event_ids = read.time, read.event_ids
        for field, name in self.places.items():
            column = [str(self.file.path)] * rows.count if name == FILE_PATH else rows.columns[name]
            if field == "timestamp":
                time = seconds(column, name, rejects, self.description.config.time)
            elif field in MEASURES:
                numbers[field] = measures(column, name, rejects)
            elif field == "event_id":
                codes, table = strings(column, name, rejects)
                lookup: list[str | None] = [*table, None]
                event_ids = [lookup[code] for code in codes.tolist()]
            else:
                coded = strings(column, name, ignored if field in POSITION_FIELDS else rejects)
                texts[field] = _without_empty(coded) if field in EMPTY_IS_NONE else coded
        return replace(read, texts=texts, event_ids=event_ids, time=time, measures=numbers, rejects=rejects)

    def _positions(self, read: RecordFields) -> RowPositions:
        topic, topics = read.coded("topic")
        has_position = topic != NONE
        found: list[I64] = []
        for name in ("partition", "offset"):
            codes, table = read.coded(name)
            values, valid = whole_numbers(table, codes)
            has_position &= valid
            found.append(values)
        return RowPositions(np.where(has_position, topic, np.int32(NONE)), topics, found[0], found[1])


def open_rows(file: TabularFile, description: EventDescription, positions: Mapping[str, str]) -> RowReader:
    """Find the fields in a file.

    Args:
        positions: field of `POSITION_FIELDS` -> column, where they have other names.

    Raises:
        LogError: the file can't be a log of such events; names the file and the column.
    """
    places = _event_places(file, description)
    found = _position_columns(file, positions)
    if file.kind != "json":
        return RowReader(file, description, {**places, **found}, bool(found))
    outside = {name: place for name, place in places.items() if place in (*file.partitions, FILE_PATH)}
    # A line of JSON may have fields that the first lines have not.
    inside = {name: path_text((column,)) for name, column in found.items()}
    described = description.without(outside).with_further(inside)
    lines = replace(described, config=description.config.changed({"format": "json"}))
    return RowReader(file, described, outside, bool(found), EventDecoder(lines, None))


def _event_places(file: TabularFile, description: EventDescription) -> dict[str, str]:
    found: dict[str, str] = {}
    said = description.config.model_fields_set
    if file.kind == "json" and description.config.envelope != "none":
        # What stands inside the envelope, the first lines' names don't tell.
        placed = {
            field: _place(file, field, text)
            for field, text in description.sources.items()
            if _is_outside(file, text)
        }
        return {field: place for field, place in placed.items() if place is not None}
    meant = _meant(file, description)
    for field, text in description.sources.items():
        place = _place(file, field, text)
        if place is not None:
            _check(file, place, field)
            found[field] = place
        elif (field in said and field not in description.defaults) or field in description.required:
            raise LogError(missing_column(file, field, text) + meant)
    given = {*found, *description.defaults}
    if not given & {"item_id", "text"}:
        wanted = description.sources
        hint = f" and no {wanted.get('text', 'text')!r}, one of which is needed"
        raise LogError(missing_column(file, "item_id", wanted.get("item_id", "item_id"), hint) + meant)
    if "action" not in given:
        known = ", ".join(description.action_names)
        hint = f" and no one action given for all rows (--action: {known})"
        raise LogError(
            missing_column(file, "action", description.sources.get("action", "action"), hint) + meant
        )
    return found


def _meant(file: TabularFile, description: EventDescription) -> str:
    """The flags for the fields that the file seems to have under other names."""
    sources = description.sources
    missing = [
        name
        for name in ("user_id", "timestamp", "scenario", "item_id", "action")
        if name in sources
        and name not in description.defaults
        and not sources[name].startswith(BESIDE)
        and _place(file, name, sources[name]) is None
    ]
    flags = likely_flags(file.columns, missing)
    constant = " --scenario NAME" if "scenario" in missing and "scenario=" not in flags else ""
    return f"; did you mean --map {flags}{constant}?" if flags else ""


def _place(file: TabularFile, field: str, text: str) -> str | None:
    """Where a field stands; None where it does not."""
    if text.startswith(BESIDE):
        if text.startswith(OUTSIDE):
            raise LogError(
                f"{file.path}: events.{field} = {text!r} is about an envelope, and a file of columns has none around its rows"
            )
        if text != FILE_PATH:
            raise LogError(
                f"{file.path}: events.{field} = {text!r} is about a record of a topic; of a file there is {FILE_PATH}"
            )
        return FILE_PATH
    if file.kind == "json":
        name = parse_path(text)[0]
        return name if name in file.columns else None
    plain = ".".join(parse_path(text))
    if plain in file.columns:
        return plain
    return text if file.type_of(text) is not None else None


def _is_outside(file: TabularFile, text: str) -> bool:
    """Whether a path leads out of a line of JSON: to the file's own path or a folder's name."""
    if text.startswith(BESIDE):
        return not text.startswith(OUTSIDE)
    return parse_path(text)[0] in file.partitions


def _check(file: TabularFile, name: str, field: str) -> None:
    if file.columns.count(name) > 1:
        raise LogError(f"{file.path}: has {file.columns.count(name)} columns {name!r}")
    kind = file.type_of(name)
    if kind is not None:
        check_type(file, name, kind, field)


def _position_columns(file: TabularFile, mapped: Mapping[str, str]) -> dict[str, str]:
    """Topic, partition and offset, or nothing where a file has not all of them: the names mean other things, too."""
    if mapped:
        return find_fields(file, POSITION_FIELDS, mapped, required=POSITION_FIELDS)
    if not set(POSITION_FIELDS) <= set(file.columns):
        return {}
    try:
        return find_fields(file, POSITION_FIELDS, {}, required=())
    except LogError:
        return {}


def _without_empty(coded: Coded) -> Coded:
    codes, table = coded
    if "" not in table:
        return coded
    mapping, kept = factorise_optional(table)
    return recode(codes, mapping), kept
