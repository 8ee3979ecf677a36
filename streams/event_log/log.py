"""Log files -> EventColumns: Parquet, CSV or JSON lines, one or many, all checked before the first batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from streams.errors import LogError
from streams.event_log.positions import RowPositions
from streams.event_log.rows import LogRows, read_rows
from streams.event_log.sources import Segment
from streams.events.columns import EventColumns, empty
from streams.events.event import MAX_FUTURE_S, Reject, TimeLimits
from streams.events.validate import assemble
from streams.files.data_files import check_files
from streams.files.fields import EVENT_FIELDS, POSITION_FIELDS, columns_of_fields, find_fields, missing_column
from streams.files.location import Location
from streams.files.rows import TabularFile
from streams.files.tabular_file import fingerprint, read_file
from transfer.arrays import I64
from transfer.config import ACTIONS

BATCH_ROWS: Final = 20_000
_REQUIRED: Final = ("user_id", "timestamp", "scenario")


@dataclass(frozen=True, slots=True, eq=False)
class LogBatch:
    """Consecutive rows of one file and of one source."""

    columns: EventColumns
    rejects: list[Reject]
    """rows that are no valid events; `position` is the row's number in the whole log, from 0"""
    rows: int
    """how many rows were read, valid or not"""
    path: Location
    """the file that they come from"""
    first_row: int
    """number in the whole log of the first of them"""
    file_row: int
    """number in its file of the same row, from 0, the header not counted"""
    event_ids: list[str | None] | None
    """event id or None of each event in `columns`; None where the log has none. The columns hold its hash only; a re-drive
    needs the id itself."""
    source: str
    """identity of the source that they belong to"""
    source_row: int
    """number in the source of the first of them"""
    known: bool = False
    """True for rows that the source had before: they were not decoded, and `columns` is empty"""
    positions: RowPositions | None = None
    """where in Kafka each event of `columns` comes from, if the log tells"""

    @property
    def next_row(self) -> int:
        """Number in the source of the row after the last of them."""
        return self.source_row + self.rows

    def row_number(self, event: int) -> int:
        """Number in the whole log of the row that an event of `columns` was read from."""
        return self.first_row + int(self.columns.offset[event]) - self.source_row


@dataclass(frozen=True)
class Log:
    """Checked files that are read as one log. Iterate it for its batches, as often as you like.

    Which source a row belongs to, and its number there, tells `segments`; a log that no store has registered
    (`streams.replay.registered_log`) has a source for each file, named by its bytes.
    """

    files: tuple[TabularFile, ...]
    fields: tuple[Mapping[str, str], ...]
    default_action: str | None
    default_scenario: str | None
    now: float
    max_future_s: float
    batch_rows: int = field(default=BATCH_ROWS)
    segments: tuple[tuple[Segment, ...], ...] | None = None

    @cached_property
    def identity(self) -> str:
        """Hex fingerprint of the files' bytes, in order."""
        return fingerprint([file.path for file in self.files])

    def fingerprint_of(self, number: int) -> str:
        """Of one file's bytes, and of the values in the names of its folders that are fields of its rows.

        Raises:
            LogError: it can't be read.
        """
        file = self.files[number]
        used = set(self.fields[number].values())
        return fingerprint(
            [file.path], {name: value for name, value in file.partitions.items() if name in used}
        )

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(file.rows for file in self.files)

    def with_segments(self, segments: Sequence[Sequence[Segment]]) -> Log:
        """The same files, with the sources of each one's rows."""
        return replace(self, segments=tuple(map(tuple, segments)))

    def __iter__(self) -> Iterator[LogBatch]:
        """Batches of at most `batch_rows` rows, in the files' order.

        Raises:
            LogError: a file is damaged inside, which no check of its structure could see.
        """
        return self.batches(lambda source: 0)

    def batches(self, progress: Callable[[str], int]) -> Iterator[LogBatch]:
        """As iterated; rows that are done are not decoded.

        Args:
            progress: source -> number of its next row; asked when the first row of a segment is due.
        """
        first_row = 0
        for number, file in enumerate(self.files):
            for batch in self._file_batches(number, progress):
                yield replace(batch, first_row=first_row + batch.file_row, rejects=_moved(batch, first_row))
            first_row += file.rows

    def rows(self, number: int) -> Iterator[LogRows]:
        """The fields of the rows of one file, in order, as read."""
        file, fields = self.files[number], self.fields[number]
        for rows in read_file(file, list(fields.values()), self.batch_rows):
            yield read_rows(rows, fields)

    def _file_batches(self, number: int, progress: Callable[[str], int]) -> Iterator[LogBatch]:
        """Rows of one file; `first_row` and the positions of rejects are those in the file."""
        file, fields = self.files[number], self.fields[number]
        for segment in self._segments(number):
            start = min(segment.end, segment.start + progress(segment.identity))
            if start > segment.start:
                yield LogBatch(
                    columns=empty(),
                    rejects=[],
                    rows=start - segment.start,
                    path=file.path,
                    first_row=segment.start,
                    file_row=segment.start,
                    event_ids=None,
                    source=segment.identity,
                    source_row=0,
                    known=True,
                )
            row = start
            if row >= segment.end:
                continue
            for rows in read_file(file, list(fields.values()), self.batch_rows, row):
                part = rows.first(segment.end - row)
                yield self._batch(read_rows(part, fields), file.path, row, segment)
                row += part.count
                if row >= segment.end:
                    break

    def _segments(self, number: int) -> tuple[Segment, ...]:
        if self.segments is not None:
            return self.segments[number]
        file = self.files[number]
        return (Segment(0, file.rows, self._names[number]),)

    @cached_property
    def _names(self) -> list[str]:
        return [f"log/file:{self.fingerprint_of(number)}" for number in range(len(self.files))]

    def _batch(self, rows: LogRows, path: Location, file_row: int, segment: Segment) -> LogBatch:
        source_row = file_row - segment.start
        raw = rows.raw_events(source_row, self.default_action, self.default_scenario)
        columns, rejects = assemble(
            raw, source=segment.identity, now=self.now, limits=TimeLimits(0.0, self.max_future_s)
        )
        kept: I64 = columns.offset - source_row
        event_ids = None
        if raw.event_ids is not None:
            event_ids = [raw.event_ids[row] for row in kept.tolist()]
        return LogBatch(
            columns=columns,
            rejects=[replace(found, position=file_row + found.position) for found in rejects],
            rows=rows.count,
            path=path,
            first_row=file_row,
            file_row=file_row,
            event_ids=event_ids,
            source=segment.identity,
            source_row=source_row,
            positions=None if rows.positions is None else rows.positions.take(kept),
        )


def open_logs(
    paths: Sequence[Location | Path | str],
    mapping: Mapping[str, str] | None = None,
    *,
    now: float,
    default_action: str | None = None,
    default_scenario: str | None = None,
    max_future_s: float = MAX_FUTURE_S,
    batch_rows: int = BATCH_ROWS,
) -> Log:
    """Check all files, structure and columns, and return the log; nothing was read into events yet.

    Args:
        paths: files, folders, globs and URLs, or what `streams.files.expand` made of them.
        mapping: field -> column of the files, for columns of another name (`streams.files.fields`).
        now: unix seconds, against which "far in the future" is judged.
        default_action: the action of rows without one.
        default_scenario: the scenario of rows without one.

    Raises:
        LogError: names the file, and the column, row or line.
    """
    if not paths:
        raise LogError("no log files given")
    if default_action is not None and default_action not in ACTIONS:
        raise LogError(f"unknown action {default_action!r}; actions are {', '.join(ACTIONS)}")
    files = check_files(paths)
    fields = [_fields(file, mapping or {}, default_action, default_scenario) for file in files]
    return Log(files, tuple(fields), default_action, default_scenario, now, max_future_s, batch_rows)


def _fields(
    file: TabularFile, mapping: Mapping[str, str], default_action: str | None, default_scenario: str | None
) -> dict[str, str]:
    """Field -> column; LogError where the file can't be a log of events."""
    wanted = columns_of_fields(EVENT_FIELDS, mapping)
    events = {name: column for name, column in mapping.items() if name in EVENT_FIELDS}
    required = _REQUIRED if default_scenario is None else tuple(f for f in _REQUIRED if f != "scenario")
    found = find_fields(file, EVENT_FIELDS, events, required=required, times=("timestamp",))
    if "item_id" not in found and "text" not in found:
        hint = f" and no {wanted['text']!r}, one of which is needed"
        raise LogError(missing_column(file, "item_id", wanted["item_id"], hint))
    if "action" not in found and default_action is None:
        hint = f" and no one action given for all rows ({', '.join(ACTIONS)})"
        raise LogError(missing_column(file, "action", wanted["action"], hint))
    # A line of JSON may have fields that the first lines have not.
    fields = wanted if file.kind == "json" else found
    return {**fields, **_position_fields(file, mapping)}


def _position_fields(file: TabularFile, mapping: Mapping[str, str]) -> dict[str, str]:
    """Topic, partition and offset, or nothing where a file has not all of them: the names mean other things, too."""
    mapped = {name: column for name, column in mapping.items() if name in POSITION_FIELDS}
    if mapped:
        return find_fields(file, POSITION_FIELDS, mapped, required=POSITION_FIELDS)
    if not set(POSITION_FIELDS) <= set(file.columns):
        return {}
    try:
        return find_fields(file, POSITION_FIELDS, {}, required=())
    except LogError:
        return {}


def _moved(batch: LogBatch, rows: int) -> list[Reject]:
    return [replace(found, position=rows + found.position) for found in batch.rejects]
