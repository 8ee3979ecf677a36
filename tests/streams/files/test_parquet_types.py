"""Columns of Parquet as warehouses write them: read as what they say, or refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.files.tabular_file import inspect_file, read_file

NOW = 1_800_000_000.0
TIME = 1793527200.25
MOMENT = dt.datetime(2026, 11, 1, 10, 0, 0, 250000)
BERLIN = dt.timezone(dt.timedelta(hours=2))
BASE = {
    "user_id": pa.array(["ada"]),
    "timestamp": pa.array([TIME]),
    "scenario": pa.array(["shop"]),
    "item_id": pa.array(["i1"]),
    "action": pa.array(["click"]),
}


def written(path, **columns):
    pq.write_table(pa.table({**BASE, **columns}), path)
    return path


def event_of(path, mapping=None):
    batches = list(open_logs([path], mapping or {}, now=NOW))
    assert [batch.rejects for batch in batches] == [[]]
    columns = concatenate([batch.columns for batch in batches])
    assert len(columns) == 1
    item = columns.items[columns.item[0]] if columns.item[0] >= 0 else None
    return columns.users[columns.user[0]], float(columns.time[0]), item


def refusal(path, mapping=None) -> str:
    with pytest.raises(LogError) as caught:
        open_logs([path], mapping or {}, now=NOW)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([MOMENT.replace(hour=12, tzinfo=BERLIN)], pa.timestamp("ns", "+02:00")), TIME),
        (pa.array([MOMENT.replace(hour=12, tzinfo=BERLIN)], pa.timestamp("us", "UTC")), TIME),
        (pa.array([MOMENT.replace(hour=12, tzinfo=BERLIN)], pa.timestamp("us", "Europe/Berlin")), TIME),
        (pa.array([MOMENT], pa.timestamp("ms")), TIME),
        (pa.array([MOMENT.replace(microsecond=0)], pa.timestamp("s")), TIME - 0.25),
        (pa.array([Decimal("1793527200.25")], pa.decimal128(18, 2)), TIME),
        (pa.array([Decimal("1793527200")], pa.decimal128(38, 0)), TIME - 0.25),
        (pa.array(["2026-11-01T10:00:00.25Z"]).dictionary_encode(), TIME),
        (pa.array([dt.date(2026, 11, 1)], pa.date32()), 1793491200.0),
        (pa.array([dt.date(2026, 11, 1)], pa.date64()), 1793491200.0),
        (pa.array([1793527200], pa.uint64()), TIME - 0.25),
        (pa.array(["2026-11-01T10:00:00.25Z"], pa.string_view()), TIME),
        (pa.array(["1793527200.25"], pa.large_string()), TIME),
    ],
    ids=lambda value: str(getattr(value, "type", "")) or None,
)
def test_times_of_every_type_that_tells_a_second(tmp_path, values, expected):
    """Units, zones, exact numbers, dates, texts."""
    assert event_of(written(tmp_path / "log.parquet", timestamp=values))[1] == expected


def test_times_of_96_bits(tmp_path):
    """As older Spark and Impala write them."""
    table = pa.table({**BASE, "timestamp": pa.array([MOMENT], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "log.parquet", use_deprecated_int96_timestamps=True)
    assert event_of(tmp_path / "log.parquet")[1] == TIME


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([Decimal("17")], pa.decimal128(38, 0)), "17"),
        (pa.array([Decimal(10**37 + 1)], pa.decimal128(38, 0)), str(10**37 + 1)),
        (pa.array([Decimal(10**40)], pa.decimal256(60, 0)), str(10**40)),
        (pa.array([Decimal(-5)], pa.decimal128(9, 0)), "-5"),
        (pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
        (pa.array([b"i1"]), "i1"),
        (pa.array([b"i1"], pa.large_binary()), "i1"),
        (pa.array([b"i1"], pa.binary_view()), "i1"),
        (pa.array(["i1"], pa.string_view()), "i1"),
        (pa.array([17]).dictionary_encode(), "17"),
        (pa.array(["i1"], pa.large_string()).dictionary_encode(), "i1"),
        (pa.array([UUID(int=5).bytes], pa.uuid()), str(UUID(int=5))),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:40] or None,
)
def test_ids_of_every_type_that_is_text_or_a_whole_number(tmp_path, values, expected):
    """Exact numbers of any length are their digits."""
    assert event_of(written(tmp_path / "log.parquet", item_id=values))[2] == expected


def test_a_column_without_any_value_is_no_obstacle(tmp_path):
    """All null, of the null type."""
    assert event_of(written(tmp_path / "log.parquet", text=pa.array([None], pa.null())))[2] == "i1"


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("timestamp", pa.array([TIME], pa.float32()), ("float", "64 bits")),
        ("timestamp", pa.array([TIME], pa.float16()), ("halffloat", "64 bits")),
        ("timestamp", pa.array([dt.time(10)], pa.time32("s")), ("time32", "no date")),
        ("timestamp", pa.array([dt.time(10)], pa.time64("us")), ("time64", "no date")),
        ("timestamp", pa.array([dt.timedelta(1)]), ("duration", "write a timestamp")),
        ("item_id", pa.array([True]), ("bool",)),
        ("item_id", pa.array([1.5], pa.float32()), ("float", "64 bits")),
        ("item_id", pa.array([UUID(int=5).bytes], pa.binary(16)), ("fixed_size_binary", "as text")),
        ("item_id", pa.array([["i1", "i2"]]), ("list", "--map item_id=item_id.0")),
        ("item_id", pa.array([{"id": "i1"}]), ("struct", "--map item_id=item_id.id")),
        ("item_id", pa.array([[{"sku": "i1"}]]), ("list", "--map item_id=item_id.0.sku")),
        ("text", pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())), ("map", "--map text=text.KEY")),
    ],
    ids=lambda value: None if isinstance(value, tuple) else str(getattr(value, "type", value))[:30],
)
def test_types_that_hold_no_such_value_are_named(tmp_path, column, values, said):
    """With what to do; for nested ones with a path that works."""
    message = refusal(written(tmp_path / "log.parquet", **{column: values}))
    assert repr(column) in message
    for part in said:
        assert part in message


EVENTS = [
    {"id": "ada", "geo": {"city": "Bonn"}, "a.b": "dotted"},
    {"id": None, "geo": None, "a.b": None},
    None,
    {"id": "bob", "geo": {"city": None}, "a.b": "x"},
]
PRODUCTS = [[{"sku": "p1"}, {"sku": "p2"}], [], None, [{"sku": "p3"}]]
PARAMS = [[("page", "home"), ("ref", "x")], [], None, [("ref", "y")]]


def nested_table(rows=4):
    return pa.table(
        {
            "user": pa.array(EVENTS * (rows // 4)),
            "products": pa.array(PRODUCTS * (rows // 4)),
            "pair": pa.array(
                [["l", "r"], None, ["a", None], ["b", "c"]] * (rows // 4), pa.list_(pa.string(), 2)
            ),
            "params": pa.array(PARAMS * (rows // 4), pa.map_(pa.string(), pa.string())),
            "plain.dot": pa.array(["d1", None, "d3", "d4"] * (rows // 4)),
            "wide": pa.array([{"unused": "w" * 50}] * rows),
        }
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("user.id", ["ada", None, None, "bob"]),
        ("user.geo.city", ["Bonn", None, None, None]),
        ("user.a\\.b", ["dotted", None, None, "x"]),
        ("products.0.sku", ["p1", None, None, "p3"]),
        ("products.1.sku", ["p2", None, None, None]),
        ("pair.1", ["r", None, None, "c"]),
        ("params.ref", ["x", None, None, "y"]),
        ("plain.dot", ["d1", None, "d3", "d4"]),
        ("plain\\.dot", ["d1", None, "d3", "d4"]),
    ],
)
@pytest.mark.parametrize("batch_rows", [1000, 7])
def test_values_inside_of_columns_are_reached_by_their_path(tmp_path, path, expected, batch_rows):
    """Structs, lists, maps and names with dots; what is null or too short on the way is null; in batches of any size."""
    pq.write_table(nested_table(40), tmp_path / "items.parquet", row_group_size=13)
    file = inspect_file(tmp_path / "items.parquet")
    assert file.has(path)
    found = [rows.columns[path].to_pylist() for rows in read_file(file, [path, "user.id"], batch_rows)]
    assert max(map(len, found)) <= batch_rows
    assert [value for values in found for value in values] == expected * 10


@pytest.mark.parametrize(
    "path", ["user.nothing", "user.id.deeper", "products.sku", "products.x.sku", "nothing.id"]
)
def test_a_path_that_leads_nowhere_is_a_missing_column(tmp_path, path):
    """It is named, with the paths that there are."""
    pq.write_table(nested_table(), tmp_path / "log.parquet")
    message = refusal(tmp_path / "log.parquet", {"user_id": path})
    assert f"no column {path!r}" in message
    assert "user.geo.city" in message


def test_a_nested_log_is_read_by_a_mapping(tmp_path):
    """As analytics exports nest their events."""
    nested = {
        "user": pa.array(
            [{"pseudo": {"id": Decimal(77)}}],
            pa.struct([("pseudo", pa.struct([("id", pa.decimal128(20, 0))]))]),
        ),
        "items": pa.array([[{"item": "i9"}]]),
    }
    path = written(tmp_path / "log.parquet", **nested)
    mapping = {"user_id": "user.pseudo.id", "item_id": "items.0.item"}
    assert event_of(path, mapping) == ("77", TIME, "i9")
