"""Log files -> EventColumns: Parquet, CSV or JSON lines, one or many, all checked before the first batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from streams.assemble import UNKNOWN_ACTION, RawEvents, assemble
from streams.columns import I32, NONE, EventColumns, factorise_optional, recode
from streams.errors import LogError
from streams.event import MAX_FUTURE_S, Reject
from streams.file_fields import find_fields, missing_column
from streams.mapping import LOG_FIELDS, columns_of_fields
from streams.table_columns import Faults, coded, optional_strings, seconds, strings
from streams.table_file import Rows, TableFile, fingerprint, inspect_file, read_file
from transfer.config import ACTIONS

BATCH_ROWS: Final = 20_000
_REQUIRED: Final = ("user_id", "timestamp", "scenario")


@dataclass(frozen=True, slots=True, eq=False)
class LogBatch:
    """Consecutive rows of one file.

    Attributes:
        rejects: rows that are no valid events; `position` is the row's number in the whole log, from 0.
        rows: how many rows were read, valid or not.
        path: the file that they come from.
        first_row: number in the whole log of the first of them.
        file_row: number in its file of the same row, from 0, the header not counted.
        event_ids: event id or None of each event in `columns`; None where the log has none. The columns hold
            its hash only; a re-drive needs the id itself.
    """

    columns: EventColumns
    rejects: list[Reject]
    rows: int
    path: Path
    first_row: int
    file_row: int
    event_ids: list[str | None] | None


@dataclass(frozen=True)
class Log:
    """Checked files that are read as one log. Iterate it for its batches, as often as you like.

    `identity` names the bytes of the files: it is the watermark's name of these events, and a row's number
    over all files is its offset, so that the same log replayed again is known to be the same.
    """

    files: tuple[TableFile, ...]
    fields: tuple[Mapping[str, str], ...]
    default_action: str | None
    default_scenario: str | None
    now: float
    max_future_s: float
    batch_rows: int = field(default=BATCH_ROWS)

    @cached_property
    def identity(self) -> str:
        """Hex fingerprint of the files' bytes, in order."""
        return fingerprint([file.path for file in self.files])

    @property
    def total_rows(self) -> int:
        """Of all files, rejects included."""
        return sum(file.rows for file in self.files)

    def __iter__(self) -> Iterator[LogBatch]:
        """Batches of at most `batch_rows` rows, in the files' order.

        Raises:
            LogError: a file is damaged inside, which no check of its structure could see.
        """
        first_row = 0
        for file, fields in zip(self.files, self.fields, strict=True):
            file_row = 0
            for rows in read_file(file, list(fields.values()), self.batch_rows):
                yield self._batch(rows, fields, file.path, first_row, file_row)
                first_row += rows.count
                file_row += rows.count

    def _batch(
        self, rows: Rows, fields: Mapping[str, str], path: Path, first_row: int, file_row: int
    ) -> LogBatch:
        raw = self._raw_events(rows, fields, first_row)
        columns, rejects = assemble(raw, source=self.identity, now=self.now, max_future_s=self.max_future_s)
        rejects = [Reject(first_row + found.position, found.reason, found.detail) for found in rejects]
        event_ids = None
        if raw.event_ids is not None:
            event_ids = [raw.event_ids[row] for row in (columns.offset - first_row).tolist()]
        return LogBatch(columns, rejects, rows.count, path, first_row, file_row, event_ids)

    def _raw_events(self, rows: Rows, fields: Mapping[str, str], first_row: int) -> RawEvents:
        faults: Faults = dict(rows.broken)

        def coded_strings(name: str) -> tuple[I32, list[str]]:
            if name not in fields:
                return np.full(rows.count, NONE, np.int32), []
            return strings(rows.columns[fields[name]], fields[name], faults)

        def coded_optional(name: str) -> tuple[I32, list[str]]:
            codes, table = coded_strings(name)
            mapping, kept = factorise_optional(table)  # "" is absent
            return recode(codes, mapping), kept

        user, users = coded_strings("user_id")
        item, items = coded_optional("item_id")
        scenario, scenarios = coded_strings("scenario")
        if self.default_scenario is not None:
            scenario, scenarios = _filled(scenario, scenarios, self.default_scenario)
        text, texts = coded_optional("text")
        action, actions = coded_optional("action")
        event_ids = None
        if "event_id" in fields:
            event_ids = optional_strings(rows.columns[fields["event_id"]], fields["event_id"], faults)
        return RawEvents(
            user=user,
            users=users,
            item=item,
            items=items,
            scenario=scenario,
            scenarios=scenarios,
            text=text,
            texts=texts,
            time=seconds(rows.columns[fields["timestamp"]], fields["timestamp"], faults),
            action=coded(action, actions, _action_code, _action_code(self.default_action)),
            action_names=(action, actions),
            offset=np.arange(first_row, first_row + rows.count, dtype=np.int64),
            event_ids=event_ids,
            faults=faults,
        )


def open_logs(
    paths: Sequence[Path | str],
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
        mapping: field -> column of the files, for columns of another name (`streams.mapping`).
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
    files: dict[Path, TableFile] = {}
    for path in map(Path, paths):
        if path.resolve() in files:
            raise LogError(f"{path}: is given twice")
        files[path.resolve()] = inspect_file(path)
    fields = [_fields(file, mapping or {}, default_action, default_scenario) for file in files.values()]
    return Log(
        tuple(files.values()), tuple(fields), default_action, default_scenario, now, max_future_s, batch_rows
    )


def _fields(
    file: TableFile, mapping: Mapping[str, str], default_action: str | None, default_scenario: str | None
) -> dict[str, str]:
    """Field -> column; LogError where the file can't be a log of events."""
    wanted = columns_of_fields(LOG_FIELDS, mapping)
    required = _REQUIRED if default_scenario is None else tuple(f for f in _REQUIRED if f != "scenario")
    there = find_fields(file, LOG_FIELDS, mapping, required=required, times=("timestamp",))
    if "item_id" not in there and "text" not in there:
        hint = f" and no {wanted['text']!r}, one of which is needed"
        raise LogError(missing_column(file, "item_id", wanted["item_id"], hint))
    if "action" not in there and default_action is None:
        hint = f" and no one action given for all rows ({', '.join(ACTIONS)})"
        raise LogError(missing_column(file, "action", wanted["action"], hint))
    # A line of JSON may have fields that the first lines have not.
    return wanted if file.kind == "json" else there


def _filled(codes: I32, table: list[str], default: str) -> tuple[I32, list[str]]:
    """The same codes with `default` where there is none."""
    if default not in table:
        table = [*table, default]
    return np.where(codes == NONE, np.int32(table.index(default)), codes), table


def _action_code(action: str | None) -> int:
    return ACTIONS.index(action) if action in ACTIONS else UNKNOWN_ACTION
