"""Log files of every kind -> the same columns that a topic gives."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.events.decode import decode_events
from streams.events.encode import event_record, events_of
from streams.files.config import FilesConfig
from streams.files.expand import expand
from support.data.event_rows import check_columns, rows_of
from support.data.log_files import KINDS, log_rows, write
from transfer.config import ACTIONS

NOW = 1_700_000_000.0


def read(*paths, **options):
    log = open_logs(paths, now=NOW, **options)
    batches = list(log)
    columns = concatenate([batch.columns for batch in batches])
    check_columns(columns)
    return columns, [reject for batch in batches for reject in batch.rejects]


def decoded_rows(rows):
    """The rows as the JSON of a topic, decoded: the reference for every file."""
    found = []
    for number, row in enumerate(rows):
        fields = {name: value for name, value in row.items() if name != "action"}
        decoded = decode_events(
            [json.dumps(fields).encode()],
            offsets=[number],
            action=ACTIONS.index(row["action"]),
            source="a topic",
            now=NOW,
        )
        assert not decoded.rejects
        found += rows_of(decoded.columns)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_rows", [7, 1000])
def test_a_log_row_is_the_same_event_as_its_record_in_a_topic(tmp_path, kind, batch_rows):
    """Replay and stream start from equal columns, keys included, whatever the kind of file."""
    rows = log_rows()
    columns, rejects = read(write(tmp_path / f"log.{kind}", rows), batch_rows=batch_rows)
    assert rejects == []
    assert rows_of(columns) == decoded_rows(rows)
    assert columns.offset.tolist() == list(range(len(rows)))


@pytest.mark.parametrize("kind", KINDS)
def test_records_made_from_a_log_decode_to_the_log(tmp_path, kind):
    """What a re-drive sends is what the log holds."""
    log = open_logs([write(tmp_path / f"log.{kind}", log_rows())], now=NOW)
    for batch in log:
        events = events_of(batch.columns, batch.event_ids)
        for row, (event, expected) in enumerate(zip(events, rows_of(batch.columns), strict=True)):
            key, value = event_record(event)
            assert key.decode() == expected[0]
            decoded = decode_events(
                [value], offsets=[0], action=int(batch.columns.action[row]), source="s", now=NOW
            )
            assert rows_of(decoded.columns) == [expected]


def test_batches_tell_what_they_hold(tmp_path):
    """Rows are numbered over all files, so that progress and rejects make sense."""
    rows = log_rows(30)
    rows[4]["user_id"] = None
    first = write(tmp_path / "a.csv", rows[:10])
    second = write(tmp_path / "b.parquet", rows[10:])
    log = open_logs([first, second], now=NOW, batch_rows=8)
    batches = list(log)
    assert log.total_rows == 30
    assert [(Path(str(b.path)), b.first_row, b.file_row, b.rows) for b in batches] == [
        (first, 0, 0, 8),
        (first, 8, 8, 2),
        (second, 10, 0, 8),
        (second, 18, 8, 8),
        (second, 26, 16, 4),
    ]
    assert [len(b.columns) for b in batches] == [7, 2, 8, 8, 4]
    assert batches[0].rejects[0].position == 4
    assert batches[0].event_ids == ["e0", "e1", "e2", "e3", "e5", "e6", "e7"]
    assert [(b.source_row, b.next_row) for b in batches] == [(0, 8), (8, 10), (0, 8), (8, 16), (16, 20)]
    joined = concatenate([b.columns for b in batches])
    assert len(joined.sources) == 2, "a file is a source of its own"
    assert joined.offset.tolist() == [*range(4), *range(5, 10), *range(20)]
    assert [b.rows for b in log] == [b.rows for b in batches], "a log can be read again"


def test_identity_is_that_of_the_bytes(tmp_path):
    """The same files are recognised wherever they lie; another byte or order makes another log."""
    rows = log_rows(10)
    a, b = write(tmp_path / "a.csv", rows[:5]), write(tmp_path / "b.csv", rows[5:])
    copy = tmp_path / "copy.csv"
    copy.write_bytes(a.read_bytes())

    def identity(*paths):
        return open_logs(paths, now=NOW).identity

    assert identity(a) == identity(copy)
    assert len({identity(a), identity(b), identity(a, b), identity(b, a)}) == 4
    a.write_bytes(a.read_bytes().replace(b"e1,", b"e9,"))
    assert identity(a) != identity(copy)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_columns_of_other_names_are_mapped(tmp_path, kind):
    """A mapped column wins over one with the field's own name, and one column may serve two fields."""
    rows = [{**row, "department": row["scenario"], "scenario": "wrong", "sku": "k"} for row in log_rows(9)]
    mapping = {"scenario": "department", "item_id": "sku", "text": "sku"}
    columns, rejects = read(write(tmp_path / f"log.{kind}", rows), description=mapping)
    assert rejects == []
    assert columns.scenarios == ["books", "games", "garden, and kitchen"]
    assert columns.items == columns.texts == ["k"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_integer_ids_are_their_decimal_text(tmp_path, kind):
    """Ids that are numbers in a file are strings everywhere else."""
    rows = [
        {"user_id": 17, "timestamp": 5, "scenario": 3, "item_id": 2**40, "event_id": i, "action": "click"}
        for i in range(3)
    ]
    columns, rejects = read(write(tmp_path / f"log.{kind}", rows))
    assert rejects == []
    assert rows_of(columns)[0][:6] == ("17", str(2**40), "3", None, 5.0, 1)
    assert len(set(columns.key.tolist())) == 3


def test_leading_zeros_of_csv_ids_stay(tmp_path):
    """ "007" and "NA" are ids like others in a CSV."""
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,scenario,item_id,action\n007,1,NA,0x1,click\n7,2,null,1.0,click\n")
    columns, rejects = read(path)
    assert rejects == []
    assert [row[:3] for row in rows_of(columns)] == [("007", "0x1", "NA"), ("7", "1.0", "null")]


MOMENT = datetime(2022, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([MOMENT], pa.timestamp("ms", "UTC")),
        pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")),
        pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ns")),
        pa.array([MOMENT.timestamp()], pa.float64()),
        pa.array(["2022-03-01T12:30:15.250Z"]),
        pa.array(["2022-03-01 13:30:15.25+01:00"]).dictionary_encode(),
        pa.array([str(MOMENT.timestamp())]),
    ],
    ids=lambda array: str(array.type)[:24],
)
def test_times_of_a_parquet_file(tmp_path, times):
    """Timestamps of every unit, numbers and ISO 8601 texts are the same moment."""
    table = pa.table(
        {"user_id": ["u"], "timestamp": times, "scenario": ["s"], "item_id": ["i"], "action": ["click"]}
    )
    pq.write_table(table, tmp_path / "log.parquet")
    columns, rejects = read(tmp_path / "log.parquet")
    assert rejects == []
    assert columns.time.tolist() == [MOMENT.timestamp()]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([1_600_000_000], pa.int64()), 1_600_000_000.0),
        (pa.array([7], pa.uint8()), 7.0),
        (pa.array([date(2022, 3, 1)]), datetime(2022, 3, 1, tzinfo=UTC).timestamp()),
    ],
    ids=["int64", "uint8", "date"],
)
def test_whole_numbers_and_dates_are_times(tmp_path, times, expected):
    """Integer seconds and days are taken."""
    table = pa.table(
        {"user_id": ["u"], "timestamp": times, "scenario": ["s"], "item_id": ["i"], "action": ["click"]}
    )
    pq.write_table(table, tmp_path / "log.parquet")
    columns, rejects = read(tmp_path / "log.parquet")
    assert rejects == []
    assert columns.time.tolist() == [expected]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_iso_times_and_numbers_may_be_mixed(tmp_path, kind):
    """Text files may hold ISO 8601 times; one without a zone is UTC."""
    rows = [
        {"user_id": "u", "timestamp": time, "scenario": "s", "item_id": "i", "action": "click"}
        for time in ("2022-03-01T12:30:15.250Z", "2022-03-01T12:30:15.250", 1646137815.25)
    ]
    columns, rejects = read(write(tmp_path / f"log.{kind}", rows))
    assert rejects == []
    assert columns.time.tolist() == [MOMENT.timestamp()] * 3


def test_dictionary_coded_and_all_null_columns_are_read(tmp_path):
    """What a data frame library writes is read: categories, views, large strings, empty columns."""
    table = pa.table(
        {
            "user_id": pa.array(["u", "v", "u"]).dictionary_encode(),
            "timestamp": [1.0, 2.0, 3.0],
            "scenario": pa.array(["s", "s", "t"], pa.large_string()),
            "item_id": pa.array(["i", "", None], pa.string()),
            "text": pa.array(["a", "b", "c"], pa.string_view()),
            "event_id": pa.nulls(3),
            "action": pa.array(["click"] * 3).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    columns, rejects = read(tmp_path / "log.parquet")
    assert rejects == []
    assert [row[:4] for row in rows_of(columns)] == [
        ("u", "i", "s", "a"),
        ("v", None, "s", "b"),
        ("u", None, "t", "c"),
    ]


def test_one_action_for_a_log_without_actions(tmp_path):
    """A log of one kind of event needs no action column; a row's own action wins."""
    rows = [{"user_id": "u", "timestamp": i, "scenario": "s", "item_id": "i"} for i in range(3)]
    columns, _ = read(
        write(tmp_path / "a.csv", rows), description={"action": {"path": "action", "default": "purchase"}}
    )
    assert columns.action.tolist() == [2, 2, 2]
    mixed = [{**row, "action": action} for row, action in zip(rows, ["click", None, "browse"], strict=True)]
    columns, rejects = read(
        write(tmp_path / "b.csv", mixed), description={"action": {"path": "action", "default": "purchase"}}
    )
    assert rejects == []
    assert columns.action.tolist() == [1, 2, 0]


BAD_ROWS = [
    ({"user_id": None}, "missing_field"),
    ({"user_id": ""}, "empty_user_id"),
    ({"user_id": "u" * 1_000_000}, "user_id_too_long"),
    ({"timestamp": None}, "missing_field"),
    ({"timestamp": float("nan")}, "timestamp_not_finite"),
    ({"timestamp": float("inf")}, "timestamp_not_finite"),
    ({"timestamp": -3.0}, "timestamp_out_of_range"),
    ({"timestamp": NOW + 3 * 86400}, "timestamp_in_future"),
    ({"timestamp": NOW * 1000}, "timestamp_in_future"),
    ({"scenario": None}, "missing_field"),
    ({"scenario": "s" * 300}, "scenario_too_long"),
    ({"item_id": None, "text": None}, "no_item_and_no_text"),
    ({"item_id": "", "text": " "}, "no_item_and_no_text"),
    ({"item_id": "i" * 600}, "item_id_too_long"),
    ({"event_id": "e" * 300}, "event_id_too_long"),
    ({"action": "stare"}, "unknown_action"),
    ({"action": None}, "unknown_action"),
]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_invalid_rows_are_rejected_by_number_and_the_rest_goes_on(tmp_path, kind):
    """Each bad row is reported with its reason; its neighbours are applied."""
    rows = []
    for fields, _ in BAD_ROWS:
        rows += [{**log_rows(1)[0], **fields}, log_rows(1)[0]]
    columns, rejects = read(write(tmp_path / f"log.{kind}", rows), batch_rows=5)
    expected = [reason for _, reason in BAD_ROWS]
    if kind == "csv":  # an empty cell and an absent one look alike
        expected[1] = "missing_field"
    if kind == "jsonl":  # json.dumps writes NaN and Infinity, which are no JSON
        assert [r.reason for r in rejects[4:6]] == ["timestamp_not_finite"] * 2
    assert [(reject.position, reject.reason) for reject in rejects] == [
        (2 * i, reason) for i, reason in enumerate(expected)
    ]
    assert columns.offset.tolist() == list(range(1, len(rows), 2))


def test_unreadable_values_are_rejected_by_row(tmp_path):
    """Values of a wrong kind and bytes that are no UTF-8 cost their row only."""
    path = tmp_path / "log.csv"
    good = b"u,1,s,i,click\n"
    bad = b"\xff,1,s,i,click\nu,soon,s,i,click\nu,1,\xff\xfe,i,click\nu,1,s,\xc3,click\n"
    path.write_bytes(b"user_id,timestamp,scenario,item_id,action\n" + good + bad + good)
    columns, rejects = read(*expand([path], FilesConfig(encoding="utf-8")))
    assert [(r.position, r.reason) for r in rejects] == [(i, "wrong_type") for i in (1, 2, 3, 4)]
    assert [r.detail.split(":")[0] for r in rejects] == ["user_id", "timestamp", "scenario", "item_id"]
    assert len(columns) == 2


def test_broken_and_odd_lines_are_rejected_by_row(tmp_path):
    """A line in the middle that is no event is one reject, as in a topic."""
    good = '{"user_id":"u","timestamp":1,"scenario":"s","item_id":"i","action":"click"}'
    lines = [
        good,
        "hello",
        "[1]",
        good.replace('"u"', '["u"]'),
        good.replace('"u"', "true"),
        good.replace('"u"', "1.5"),
        good.replace("1,", "true,"),
        good.replace("1,", '{"a":1},'),
        good.replace("1,", f"{10**400},"),
        '{"user_id":"u"}',
        '{"x":' + "[" * 100_000 + "]" * 100_000 + "}",
        good,
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines))
    columns, rejects = read(path)
    assert len(columns) == 2
    assert [(r.position, r.reason) for r in rejects] == [
        (1, "not_json"),
        (2, "wrong_type"),
        (3, "wrong_type"),
        (4, "wrong_type"),
        (5, "wrong_type"),
        (6, "wrong_type"),
        (7, "wrong_type"),
        (8, "wrong_type"),
        (9, "missing_field"),
        (10, "nested_too_deep"),
    ]
    assert all(len(r.detail) <= 200 for r in rejects)


def test_blank_lines_and_a_missing_last_line_end_are_fine(tmp_path):
    """A JSON object that closes is complete, whatever follows it."""
    path = tmp_path / "log.jsonl"
    good = '{"user_id":"u","timestamp":1,"scenario":"s","item_id":"i","action":"click"}'
    path.write_text(f"{good}\n\n  \n{good}")
    log = open_logs([path], now=NOW)
    assert log.total_rows == 2
    assert sum(len(batch.columns) for batch in log) == 2


def test_a_field_that_shows_up_late_is_read(tmp_path):
    """JSON lines need not all have the same fields, nor the first ones all of them."""
    good = '{"user_id":"u","timestamp":1,"scenario":"s","item_id":"i","action":"click"'
    path = tmp_path / "log.jsonl"
    path.write_text((good + "}\n") * 1500 + good + ',"text":"late","event_id":"e"}\n')
    columns, rejects = read(path)
    assert rejects == []
    assert columns.texts == ["late"]
    assert columns.text.tolist() == [-1] * 1500 + [0]
    assert len(set(columns.key.tolist())) == 2


def test_empty_logs_are_read(tmp_path):
    """A log with columns and no rows is a log."""
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,scenario,item_id,action\n")
    columns, rejects = read(path)
    assert len(columns) == 0
    assert rejects == []
    table = pa.Table.from_pylist(log_rows(1)).slice(0, 0)
    pq.write_table(table, tmp_path / "log.parquet")
    columns, rejects = read(tmp_path / "log.parquet")
    assert len(columns) == 0


def test_all_dtypes_are_those_of_the_contract(tmp_path):
    """A batch from a file has the array types of one from a topic."""
    columns, _ = read(write(tmp_path / "log.csv", log_rows(3)))
    assert columns.key.dtype == np.uint64
    assert columns.action.dtype == np.uint8
