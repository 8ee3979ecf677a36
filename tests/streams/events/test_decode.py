"""Records of a topic -> columns; what can't be decoded costs itself and nothing else."""

from __future__ import annotations

import json
import random
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.decode import Decoded, decode_events
from streams.events.event import MAX_FUTURE_S, MAX_TEXT_CHARS, Event, RejectReason
from support.data.event_columns import event_key
from support.data.event_rows import check_columns, rows_of

NOW = 1_700_000_000.0
GOOD = {"user_id": "u1", "timestamp": NOW - 5, "scenario": "books", "item_id": "b1"}


def decode(values: list[bytes | None], action: int = 1) -> Decoded:
    return decode_events(
        values, offsets=np.arange(100, 100 + len(values)), action=action, source="c/clicks/0", now=NOW
    )


def record(**fields) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD = {
    "nothing": (None, "empty_record"),
    "empty": (b"", "empty_record"),
    "blank": (b" \n", "empty_record"),
    "no JSON": (b"hello", "not_json"),
    "cut JSON": (record()[:-3], "not_json"),
    "two records in one": (record() + record(), "not_json"),
    "an open string": (b'{"user_id":"u1', "not_json"),
    "no UTF-8": (b'{"user_id":"\xff","timestamp":1,"scenario":"s","item_id":"i"}', "not_json"),
    "half a surrogate": (b'{"user_id":"\\ud800","timestamp":1,"scenario":"s","item_id":"i"}', "not_json"),
    "binary": (bytes(range(256)), "not_json"),
    "an array": (b"[1, 2]", "wrong_type"),
    "a number": (b"17", "wrong_type"),
    "null": (b"null", "wrong_type"),
    "broken numeric user": (record(user_id=17.5), "wrong_type"),
    "true user": (record(user_id=True), "wrong_type"),
    "null user": (record(user_id=None), "missing_field"),
    "text time": (record(timestamp="yesterday"), "wrong_type"),
    "boolean time": (record(timestamp=True), "wrong_type"),
    "list item": (record(item_id=["b1"]), "wrong_type"),
    "object text": (record(text={"a": 1}), "wrong_type"),
    "no user": (without("user_id"), "missing_field"),
    "no time": (without("timestamp"), "missing_field"),
    "no scenario": (without("scenario"), "missing_field"),
    "neither item nor text": (without("item_id"), "no_item_and_no_text"),
    "empty item, blank text": (record(item_id="", text=" "), "no_item_and_no_text"),
    "empty user": (record(user_id=""), "empty_user_id"),
    "1 MB user": (record(user_id="u" * 1_000_000), "user_id_too_long"),
    "long item": (record(item_id="i" * 600), "item_id_too_long"),
    "long event id": (record(event_id="e" * 300), "event_id_too_long"),
    "empty scenario": (record(scenario=""), "scenario_empty"),
    "long scenario": (record(scenario="s" * 300), "scenario_too_long"),
    "NaN time": (b'{"user_id":"u1","timestamp":NaN,"scenario":"s","item_id":"i"}', "timestamp_not_finite"),
    "infinite time": (
        b'{"user_id":"u1","timestamp":-Infinity,"scenario":"s","item_id":"i"}',
        "timestamp_not_finite",
    ),
    "1e999": (b'{"user_id":"u1","timestamp":1e999,"scenario":"s","item_id":"i"}', "timestamp_not_finite"),
    "far future": (record(timestamp=NOW + 2 * 86400), "timestamp_in_future"),
    "milliseconds": (record(timestamp=NOW * 1000), "timestamp_in_future"),
    "before 1970": (record(timestamp=-5.0), "timestamp_out_of_range"),
    "deep nesting": (b'{"x":' + DEEP + b"," + record()[1:], "nested_too_deep"),
    "deep nesting alone": (DEEP, "wrong_type"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_rejected_and_the_rest_is_decoded(case):
    """Reason and position are reported, and the neighbours are untouched."""
    value, reason = BAD[case]
    decoded = decode([record(item_id="before"), value, record(item_id="after")])
    check_columns(decoded.columns)
    assert [row[1] for row in rows_of(decoded.columns)] == ["before", "after"]
    assert decoded.columns.offset.tolist() == [100, 102]
    assert [(reject.position, reject.reason) for reject in decoded.rejects] == [(1, reason)]


def test_all_kinds_of_bad_records_at_once():
    """Any mixture gives each record its own reason, in order of position, and keeps the good ones."""
    cases = list(BAD.values())
    random.Random(5).shuffle(cases)
    values = [value for bad, _ in cases for value in (bad, record())]
    decoded = decode(values)
    assert len(decoded.columns) == len(cases)
    assert [(r.position, r.reason) for r in decoded.rejects] == [(2 * i, c[1]) for i, c in enumerate(cases)]


def test_rejects_never_quote_the_record():
    """What a dead letter's reason says may go to logs: it is short and holds nothing personal."""
    secret = "jane.doe@example.org"
    values = [
        record(user_id=secret * 100),
        record(user_id=secret, timestamp="then"),
        f'{{"user_id":"{secret}", {secret}'.encode(),
        record(user_id=secret, item_id=secret * 100),
        record(user_id=secret, scenario=secret * 100),
        json.dumps({secret: 1}).encode(),
    ]
    rejects = decode(values).rejects
    assert len(rejects) == len(values)
    for reject in rejects:
        assert "jane" not in reject.detail
        assert len(reject.detail) <= 200


def test_a_batch_of_bad_records_alone_is_an_empty_batch():
    """Nothing valid gives empty columns, not an error."""
    decoded = decode([None, b"x"])
    check_columns(decoded.columns)
    assert len(decoded.columns) == 0
    assert len(decoded.rejects) == 2
    assert decode([]).rejects == []


def test_unknown_fields_are_ignored():
    """A producer may add fields of its own, of any kind."""
    decoded = decode([record(page={"depth": [1, 2, {"x": None}]}, user=3, dwell_s=2, quantity=1, value=9.5)])
    assert decoded.rejects == []
    assert rows_of(decoded.columns)[0][:3] == ("u1", "b1", "books")


def test_columns_hold_what_the_records_say():
    """User, item, scenario, text, time, action, source and offset arrive as sent."""
    decoded = decode(
        [
            record(timestamp=1_600_000_000),
            record(user_id="ü2", item_id=None, text="a question", timestamp=1.5),
            record(text="and a review", event_id="e1"),
        ],
        action=2,
    )
    check_columns(decoded.columns)
    rows = rows_of(decoded.columns, with_source=True)
    assert [row[:6] for row in rows] == [
        ("u1", "b1", "books", None, 1_600_000_000.0, 2),
        ("ü2", None, "books", "a question", 1.5, 2),
        ("u1", "b1", "books", "and a review", NOW - 5, 2),
    ]
    assert [row[7:] for row in rows] == [("c/clicks/0", 100), ("c/clicks/0", 101), ("c/clicks/0", 102)]


def test_a_long_text_is_cut_and_a_blank_one_is_none():
    """A text of any length is taken; texts that become equal share one row of the table."""
    long = "x" * MAX_TEXT_CHARS
    decoded = decode([record(text=long + "a"), record(text=long + "b"), record(text="  ")])
    check_columns(decoded.columns)
    assert decoded.columns.texts == [long]
    assert decoded.columns.text.tolist() == [0, 0, -1]


def test_keys_of_a_batch_are_those_of_single_events():
    """A batch and one event at a time agree about identity."""
    values = [
        record(),
        record(event_id="e1"),
        record(item_id="", text="chess"),
        record(text=" "),
        record(event_id=""),
        record(text="x" * 9000),
    ]
    decoded = decode(values)
    singles = [event_key(msgspec.json.decode(value, type=Event), 1) for value in values]
    assert decoded.columns.key.tolist() == singles
    assert singles[0] == singles[3] == singles[4]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
loose_events = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.text(max_size=4) | json_values,
        "timestamp": st.floats(-1, 2e9, allow_nan=False) | json_values,
        "scenario": st.text(max_size=4) | json_values,
        "item_id": st.text(max_size=4) | json_values,
        "text": st.text(max_size=4) | json_values,
        "event_id": st.text(max_size=4) | json_values,
    },
)


@given(
    st.lists(
        st.none() | st.binary(max_size=20) | loose_events.map(lambda e: json.dumps(e).encode()), max_size=8
    )
)
def test_whatever_a_topic_holds_each_record_is_decoded_or_rejected(values):
    """Every record ends in exactly one of the two, whatever its bytes, as if it had come alone."""
    decoded = decode(values)
    check_columns(decoded.columns)
    applied = (decoded.columns.offset - 100).tolist()
    rejected = [reject.position for reject in decoded.rejects]
    assert sorted(applied + rejected) == list(range(len(values)))
    assert rejected == sorted(rejected)
    assert all(reject.reason in get_args(RejectReason) for reject in decoded.rejects)
    alone = [rows_of(decode([value]).columns) for value in values]
    assert rows_of(decoded.columns) == [row for rows in alone for row in rows]
    for position in applied:
        found = msgspec.json.decode(values[position])
        for name in ("user_id", "scenario"):
            assert type(found[name]) in (str, int, float) and str(found[name]).strip()
        assert 0 <= decode([values[position]]).columns.time[0] <= NOW + MAX_FUTURE_S
