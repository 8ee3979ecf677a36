"""Log files -> EventColumns: Parquet, CSV or JSON lines, one or many, all checked before the first batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from streams.errors import LogError
from streams.event_log.positions import RowPositions
from streams.event_log.row_reader import RowReader, open_rows
from streams.event_log.rows import LogRows
from streams.event_log.sources import Segment
from streams.events.columns import EventColumns, empty
from streams.events.decode import judge_events
from streams.events.description import ANY_TIME, EventDescription
from streams.events.event import Reject
from streams.files.data_files import check_files
from streams.files.location import Location
from streams.files.rows import TabularFile
from streams.files.tabular_file import fingerprint
from transfer.arrays import F64, I64

BATCH_ROWS: Final = 20_000


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
    ignored: int = 0
    """rows whose action the description ignores; they are neither events nor rejects"""

    measures: Mapping[str, F64] = field(default_factory=dict)
    """amounts of each event in `columns` that the description reads, NaN for none; a re-drive needs them"""

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

    readers: tuple[RowReader, ...]
    """one a file"""
    description: EventDescription
    now: float
    batch_rows: int = field(default=BATCH_ROWS)
    segments: tuple[tuple[Segment, ...], ...] | None = None
    rows_before: int = 0
    """of the log that this is a part of; events without a clock are counted over all of it"""

    @cached_property
    def files(self) -> tuple[TabularFile, ...]:
        """In the order in which they are read."""
        return tuple(reader.file for reader in self.readers)

    @property
    def max_future_s(self) -> float:
        """How far ahead of `now` an event may be."""
        return self.description.max_future_s

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
        used = set(self.readers[number].columns)
        return fingerprint(
            [file.path], {name: value for name, value in file.partitions.items() if name in used}
        )

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(file.rows for file in self.files)

    def part(self, number: int, segment: Segment) -> Log:
        """Some rows of one file, as a log of their own."""
        before = self._first_rows[number]
        return replace(self, readers=(self.readers[number],), segments=((segment,),), rows_before=before)

    def with_segments(self, segments: Sequence[Sequence[Segment]]) -> Log:
        """The same files, with the sources of each one's rows."""
        return replace(self, segments=tuple(map(tuple, segments)))

    def with_actions(self, names: Sequence[str]) -> Log:
        """The same rows, their actions under other codes: those of a store, whatever order the settings have."""
        return replace(self, description=replace(self.description, action_names=tuple(names)))

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
        return self.readers[number].read(self.batch_rows)

    def _file_batches(self, number: int, progress: Callable[[str], int]) -> Iterator[LogBatch]:
        """Rows of one file; `first_row` and the positions of rejects are those in the file."""
        file, reader = self.files[number], self.readers[number]
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
            for rows in reader.read(self.batch_rows, row, segment.end):
                yield self._batch(rows, number, row, segment)
                row += rows.count

    def _segments(self, number: int) -> tuple[Segment, ...]:
        if self.segments is not None:
            return self.segments[number]
        file = self.files[number]
        return (Segment(0, file.rows, self._names[number]),)

    @cached_property
    def _names(self) -> list[str]:
        return [f"log/file:{self.fingerprint_of(number)}" for number in range(len(self.files))]

    @cached_property
    def _first_rows(self) -> list[int]:
        """Number in the whole log of each file's first row."""
        counts = np.cumsum([self.rows_before, *(file.rows for file in self.files)])
        return [int(count) for count in counts]

    def _batch(self, rows: LogRows, number: int, file_row: int, segment: Segment) -> LogBatch:
        path, source_row = self.files[number].path, file_row - segment.start
        offset = np.arange(source_row, source_row + rows.count, dtype=np.int64)
        place = offset + (self._first_rows[number] + segment.start)
        raw = self.description.raw_events(rows.fields, offset, None, place)
        decoded = judge_events(raw, segment.identity, self.now, self.description)
        columns, rejects = decoded.columns, decoded.rejects
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
            ignored=decoded.ignored,
            measures={name: values[kept] for name, values in raw.measures.items()},
        )


def open_logs(
    paths: Sequence[Location | Path | str],
    description: EventDescription | Mapping[str, Any] = ANY_TIME,
    *,
    now: float,
    positions: Mapping[str, str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Log:
    """Check all files, structure and columns, and return the log; nothing was read into events yet.

    Args:
        paths: files, folders, globs and URLs, or what `streams.files.expand` made of them.
        description: how rows say what events they are; or field -> path alone, for events of any time since 1970.
        now: unix seconds, against which "far in the future" is judged.
        positions: topic, partition and offset of the rows' records -> columns that have other names.

    Raises:
        LogError: names the file, and the column, row or line.
    """
    if not paths:
        raise LogError("no log files given")
    if not isinstance(description, EventDescription):
        description = replace(ANY_TIME, config=ANY_TIME.config.changed(dict(description)))
    readers = tuple(open_rows(file, description, positions or {}) for file in check_files(paths))
    return Log(readers, description, now, batch_rows)


def _moved(batch: LogBatch, rows: int) -> list[Reject]:
    return [replace(found, position=rows + found.position) for found in batch.rejects]
