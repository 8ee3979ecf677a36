"""Columns with a dictionary, as pandas writes categories: what no row of a batch uses is not there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.events.event import TimeLimits
from streams.events.validate import RawEvents, assemble
from streams.files.catalogue_file import open_catalogue
from streams.files.values import seconds, strings
from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.checks.states import assert_same_states
from support.data.event_columns import NOW
from support.data.event_rows import check_columns, rows_of
from support.data.replayed import replayed

ROWS = 1200
BATCH = 100
EXTRA = 3 * ROWS
"""entries of each dictionary that no row uses"""
FIELDS = ("user_id", "item_id", "scenario", "text", "action", "event_id")


def values_of(field):
    """What the rows say, in parts that a batch uses little of."""
    rows = np.arange(ROWS)
    words = {
        "user_id": [f"user{n // 8}" for n in rows],
        "item_id": [None if n % 11 == 3 else f"item{n // 4}" for n in rows],
        "scenario": [f"scenario{n // 400}" for n in rows],
        "text": [f"text {n // 6}" if n % 11 in (3, 4) else None for n in rows],
        "action": [("browse", "click", "purchase")[n // 150 % 3] for n in rows],
        "event_id": [None if n % 5 == 1 else f"e{n}" for n in rows],
    }
    return words[field]


def category(values, order):
    """The values over a shuffled dictionary that has every one of them twice, and entries of no row."""
    distinct = sorted({value for value in values if value is not None})
    entries = [*distinct, *distinct, *(f"unused {n}" for n in range(EXTRA))]
    place = order.permutation(len(entries))
    dictionary = [""] * len(entries)
    for at, entry in zip(place.tolist(), entries, strict=True):
        dictionary[at] = entry
    row_of = {value: n for n, value in enumerate(distinct)}
    indices = [
        None if value is None else int(place[row_of[value] + len(distinct) * (n % 2)])
        for n, value in enumerate(values)
    ]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(dictionary))


def log_table(coded, order):
    """The rows as a table; the columns in `coded` have a dictionary."""
    columns = {"timestamp": pa.array([NOW - 900_000 + 7.0 * n for n in range(ROWS)])}
    for field in FIELDS:
        values = values_of(field)
        columns[field] = category(values, order) if field in coded else pa.array(values, pa.string())
    return pa.table(columns)


def written(path, coded, *, row_group_size=ROWS):
    pq.write_table(log_table(coded, np.random.default_rng(7)), path, row_group_size=row_group_size)
    return path


def columns_of(path):
    batches = list(open_logs([path], now=NOW, batch_rows=BATCH))
    for batch in batches:
        check_columns(batch.columns)
    assert not any(batch.rejects for batch in batches)
    return concatenate([batch.columns for batch in batches])


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("row_group_size", [ROWS, 70])
def test_a_dictionary_changes_nothing_that_is_read(tmp_path, field, row_group_size):
    """A dictionary far larger than a batch, with doubles, nulls and entries of no row, is read as the plain column is, and
    each batch names only who and what its own rows name."""
    plain = columns_of(written(tmp_path / "plain.parquet", ()))
    coded = columns_of(written(tmp_path / "coded.parquet", (field,), row_group_size=row_group_size))
    assert rows_of(coded) == rows_of(plain)


def test_a_replay_of_categories_gives_what_plain_columns_give(tmp_path):
    """Users, items and their vectors are the same, no user and no item comes into the store that no event names, and the file
    is recognised as the same log."""
    plain = written(tmp_path / "plain.parquet", ())
    coded = written(tmp_path / "coded.parquet", FIELDS)
    stores = [str(tmp_path / "a"), str(tmp_path / "b")]
    for store, path in zip(stores, (plain, coded), strict=True):
        assert replayed(store, path, batch_rows=BATCH).applied == ROWS
    with (
        open_intake(stores[0], Settings(), create=True) as a,
        open_intake(stores[1], Settings(), create=True) as b,
    ):
        assert assert_same_states(a.store, b.store, a.workspace.interest) == ROWS // 8
        items = [
            sorted(record.item_id for page in one.store.items.scan(500) for record in page) for one in (a, b)
        ]
        assert items[0] == items[1] == sorted({item for item in values_of("item_id") if item})
    assert replayed(stores[0], coded, batch_rows=BATCH).applied == 0


@pytest.mark.parametrize("coded", ["item_id", "title", "description", "scenario"])
def test_a_catalogue_of_categories_is_that_of_plain_columns(tmp_path, coded):
    """No item, and no text, that no row names."""
    order = np.random.default_rng(3)
    values = {
        "item_id": [f"item{n}" for n in range(ROWS)],
        "title": [None if n % 7 == 2 else f"title {n // 3}" for n in range(ROWS)],
        "description": [None if n % 2 else f"about {n // 9}" for n in range(ROWS)],
        "scenario": [f"scenario{n // 400}" for n in range(ROWS)],
    }
    found = []
    for name in ("plain", "coded"):
        table = {
            field: category(column, order)
            if (name, field) == ("coded", coded)
            else pa.array(column, pa.string())
            for field, column in values.items()
        }
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
        batches = list(open_catalogue([tmp_path / f"{name}.parquet"], batch_rows=BATCH))
        assert not any(batch.rejects for batch in batches)
        found.append([row for batch in batches for row in batch.rows])
    assert found[0] == found[1]
    assert len(found[0]) == ROWS


def test_an_entry_that_is_no_text_costs_the_rows_that_use_it():
    """Bytes that are not UTF-8 are no reason to reject rows that refer to other entries."""
    dictionary = pa.array([b"ada", b"\xff", b"\xfe", b"bob"])
    rejects = {}
    codes, table = strings(pa.DictionaryArray.from_arrays([0, 3, 1, None], dictionary), "user_id", rejects)
    assert [table[code] if code >= 0 else None for code in codes.tolist()] == ["ada", "bob", None, None]
    assert table == ["ada", "bob"]
    assert rejects == {2: ("wrong_type", "user_id: is not UTF-8")}


def test_a_null_among_the_entries_is_a_null():
    """A row that refers to it has no value, as a row without a reference has none; it is no wrong value."""
    coded = pa.DictionaryArray.from_arrays([1, 0, None, 1, 2], pa.array(["a", None, "a", "unused"]))
    rejects = {}
    codes, table = strings(coded, "item_id", rejects)
    assert (codes.tolist(), table, rejects) == ([-1, 0, -1, -1, 0], ["a"], {})


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "b", "c", None, "a"], pa.large_string()),
        pa.array(["a", "b", "c", None, "a"], pa.string_view()),
        pa.array([b"a", b"b", b"c", None, b"a"], pa.large_binary()),
        pa.array(["a", "b", "c", None, "a"]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type)[:30],
)
@pytest.mark.parametrize("index", [pa.int8(), pa.uint16(), pa.int64()], ids=str)
def test_dictionaries_of_any_index_and_value_type(values, index):
    """Also of values that have a dictionary themselves."""
    coded = pa.DictionaryArray.from_arrays(pa.array([4, 1, 3, None, 0], index), values)
    rejects = {}
    codes, table = strings(coded, "x", rejects)
    assert [table[code] if code >= 0 else None for code in codes.tolist()] == ["a", "b", None, None, "a"]
    assert (table, rejects) == (["a", "b"], {})


def test_integers_and_times_of_a_dictionary():
    """Numbers are their decimal text as an id; times of a dictionary are those that the rows use."""
    ids = pa.DictionaryArray.from_arrays([2, 0, None], pa.array([7, 8, 2**53]))
    assert strings(ids, "x", {})[1] == ["7", str(2**53)]
    texts = pa.DictionaryArray.from_arrays([2, 2], pa.array(["nonsense", "", "2026-11-01T10:00:00Z"]))
    rejects = {}
    assert seconds(texts, "t", rejects).tolist() == [1793527200.0] * 2
    assert rejects == {}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(31, 60))
def test_events_have_tables_of_what_they_use_whoever_made_them(codes, size):
    """Whatever reads events, those that are judged valid have tables without a string that none of them uses."""
    count = len(codes)
    table = [f"s{n}" for n in range(size)]
    code = np.array(codes, np.int32)
    raw = RawEvents(
        user=code,
        users=table,
        item=code,
        items=table,
        scenario=code,
        scenarios=table,
        text=code,
        texts=table,
        time=np.full(count, NOW - 5.0),
        action=np.zeros(count, np.uint8),
        offset=np.arange(count),
        event_ids=None,
    )
    columns, rejects = assemble(raw, source="s", now=NOW, limits=TimeLimits(max_future_s=60.0))
    assert rejects == []
    check_columns(columns)
    assert [columns.users[row] for row in columns.user.tolist()] == [f"s{n}" for n in codes]
