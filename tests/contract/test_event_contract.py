"""The same record is the same event, or the same reject, from a topic, from JSON lines, from CSV and from Parquet."""

from __future__ import annotations

import csv
import json
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.event_cases import BASE, CASES, IGNORED, EventCase, T
from streams.event_log.log import open_logs
from streams.events.columns import EventColumns
from streams.events.decode import decode_events
from streams.events.description import EventDescription
from streams.events.event import Reject
from streams.events.events_config import EventsConfig
from support.data.event_rows import check_columns, rows_of

NOW = T + 86400.0
BASE_FIELDS = ("user_id", "timestamp", "scenario", "item_id", "text", "event_id", "action")
MORE_FIELDS = ("who", "what", "context", "items", "page", "a", "user.id")
ALL_NAMES = json.dumps(dict.fromkeys((*BASE_FIELDS, *MORE_FIELDS))).encode()
ENDING = json.dumps(BASE).encode()


def described(case: EventCase) -> EventDescription:
    return EventDescription(EventsConfig(**case.settings))


def found(columns: EventColumns, rejects: list[Reject], ignored: int, count: int) -> list[Any]:
    """What became of each of `count` records."""
    check_columns(columns)
    says: list[Any] = [IGNORED] * count
    for row, offset in zip(rows_of(columns), columns.offset.tolist(), strict=True):
        says[offset] = row[:6]
    for reject in rejects:
        says[reject.position] = reject.reason
    assert says.count(IGNORED) == ignored
    return says


def by_topic(records: list[Any], description: EventDescription) -> tuple[EventColumns, list[Reject], int]:
    decoded = decode_events(
        records,
        offsets=np.arange(len(records)),
        action=None,
        source="s",
        now=NOW,
        description=description,
    )
    return decoded.columns, decoded.rejects, decoded.ignored


def by_file(path, description: EventDescription) -> tuple[EventColumns, list[Reject], int]:
    (batch,) = open_logs([path], description, now=NOW)
    return batch.columns, batch.rejects, batch.ignored


def test_there_are_enough_cases():
    """The table covers ids, times, actions, nesting and bytes; a case that is lost is noticed."""
    assert len(CASES) == len({case.name for case in CASES}) >= 230


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_record_of_a_topic_is_what_its_case_says(case: EventCase):
    """One record, alone in its batch."""
    columns, rejects, ignored = by_topic([case.record.encode()], described(case))
    assert found(columns, rejects, ignored, 1) == [case.says]


def groups() -> list[list[EventCase]]:
    """Cases of the same settings, which one file or batch can hold."""
    key = lambda case: json.dumps(case.settings, sort_keys=True)  # noqa: E731
    return [list(group) for _, group in groupby(sorted(CASES, key=key), key=key)]


@pytest.mark.parametrize("group", groups(), ids=lambda group: group[0].name)
def test_json_lines_are_what_the_topic_gives(tmp_path, group: list[EventCase]):
    """The same lines in a file and in a topic: equal columns, keys included, equal rejects, word by word."""
    if group[0].settings.get("time") == "position":
        group = group[:1]
    description = described(group[0])
    # A file names its fields in its first lines, and its last line is whole.
    lines = [ALL_NAMES, *(case.record.encode() for case in group), ENDING]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    topic, file = by_topic(lines, description), by_file(path, description)
    assert file[1:] == topic[1:]
    for name in ("user", "item", "scenario", "text", "time", "action", "offset", "key"):
        assert np.array_equal(getattr(file[0], name), getattr(topic[0], name)), name
    for name in ("users", "items", "scenarios", "texts"):
        assert getattr(file[0], name) == getattr(topic[0], name)
    says = found(*file, len(lines))
    if description.config.time != "position":
        assert says[1:-1] == [case.says for case in group]


def flat(case: EventCase) -> dict[str, Any] | None:
    """The record as one row of a table; None where a table can't hold it."""
    try:
        row = json.loads(case.record, parse_constant=lambda _: pytest.fail)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or case.name.startswith("raw"):
        return None
    fields = {
        **{name: name for name in BASE_FIELDS},
        **{n: p for n, p in case.settings.items() if isinstance(p, str)},
    }
    used = {fields[name] for name in BASE_FIELDS}
    row = {name: value for name, value in row.items() if name in used}
    return None if any(isinstance(value, list | dict) for value in row.values()) else row


TABULAR = [case for case in CASES if flat(case) is not None and "nested" not in case.name]


@pytest.mark.parametrize("case", TABULAR, ids=lambda case: case.name)
def test_a_parquet_row_is_what_the_record_is(tmp_path, case: EventCase):
    """A column of the value's own type, alone and with a null beside it, as data frames have it."""
    row = flat(case) or {}
    description = described(case)
    columns = {}
    for name in {*row, *BASE_FIELDS}:
        value = row.get(name)
        try:
            columns[name] = pa.array([value])
        except (OverflowError, pa.ArrowInvalid):
            if not isinstance(value, int):
                pytest.skip("no such Parquet column")
            columns[name] = (
                pa.array([str(value)], pa.string()).cast(pa.decimal256(76, 0)) if value < 10**76 else None
            )
        if columns[name] is None or pa.types.is_boolean(columns[name].type):
            pytest.skip("a column of that type is refused as a whole")
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    try:
        file = by_file(tmp_path / "log.parquet", description)
    except Exception as error:
        pytest.fail(str(error))
    assert found(*file, 1) == [case.says]


def as_cell(value: Any) -> str:
    return "" if value is None else str(value)


TEXTUAL = [
    case
    for case in TABULAR
    if not any(isinstance(value, bool | float) or value == "" for value in (flat(case) or {}).values())
    and "escapes" not in case.name
]
"""A CSV can't tell a number from its text, nor "" from nothing; the text of a broken number is a good id."""


@pytest.mark.parametrize("case", TEXTUAL, ids=lambda case: case.name)
def test_a_csv_row_is_what_the_record_is(tmp_path, case: EventCase):
    """Every value that a cell can hold."""
    row = flat(case) or {}
    path = tmp_path / "log.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        names = sorted({*row, *BASE_FIELDS})
        writer.writerow(names)
        writer.writerow([as_cell(row.get(name)) for name in names])
    expected = case.says
    if case.name == "time auto: huge integer":
        expected = "timestamp_not_finite"  # as its text is anywhere
    assert found(*by_file(path, described(case)), 1) == [expected]
