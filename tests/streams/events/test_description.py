"""[events]: records of any shape are the events that the settings say, whether they come as JSON or as objects."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.events.decode import Decoded, decode_events
from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from support.data.event_rows import check_columns, rows_of

NOW = 1_800_000_000.0
SHOP = {
    "user_id": "context.customer.id",
    "timestamp": "ts",
    "time": "ms",
    "scenario": {"path": "shop", "default": "web"},
    "item_id": "items.0.sku",
    "event_id": "id",
    "action": "event",
    "actions": {"view": "browse", "AddToCart": "click", "order": "purchase", "scroll": "ignore"},
}


def described(**events: Any) -> EventDescription:
    return EventDescription(EventsConfig(**events))


def shop_record(**fields: Any) -> dict[str, Any]:
    return {
        "context": {"customer": {"id": 17, "age": 3}, "page": [1]},
        "ts": 1_793_527_200_250,
        "shop": "toys",
        "items": [{"sku": "b1", "price": 2}, {"sku": None}],
        "id": "e1",
        "event": "view",
        **fields,
    }


def decode(values: Any, description: EventDescription, action: int | None = None, **more: Any) -> Decoded:
    values = [json.dumps(one).encode() if isinstance(one, dict) else one for one in values]
    decoded = decode_events(
        values,
        offsets=np.arange(len(values)),
        action=action,
        source="s",
        now=NOW,
        description=description,
        **more,
    )
    check_columns(decoded.columns)
    return decoded


def test_nested_fields_times_and_actions_are_read_as_the_settings_say():
    """A shop's own record is an event, without a bridge."""
    decoded = decode(
        [shop_record(), shop_record(event="ADDTOCART ", shop=None), shop_record(event="purchase", items=[])],
        described(**SHOP),
    )
    assert [row[:6] for row in rows_of(decoded.columns)] == [
        ("17", "b1", "toys", None, 1_793_527_200.25, 0),
        ("17", "b1", "web", None, 1_793_527_200.25, 1),
    ]
    assert [(one.position, one.reason) for one in decoded.rejects] == [(2, "no_item_and_no_text")]


def test_ignored_actions_are_counted_and_are_no_rejects():
    """What the action map ignores is no dead letter, however broken the rest of the record is."""
    decoded = decode(
        [shop_record(event="scroll"), shop_record(event="scroll", ts="never"), shop_record()],
        described(**SHOP),
    )
    assert (len(decoded.columns), decoded.ignored, decoded.rejects) == (1, 2, [])


def test_the_rest_of_the_actions_may_be_ignored_or_mapped():
    """`*` stands for every action that is neither mapped nor ours."""
    actions = {"view": "browse", "*": "ignore"}
    decoded = decode(
        [shop_record(event=name) for name in ("view", "whatever", "click")],
        described(**{**SHOP, "actions": actions}),
    )
    assert decoded.columns.action.tolist() == [0, 1]
    assert decoded.ignored == 1


def test_an_action_that_contradicts_its_topic_is_rejected():
    """The topic says what its events are; a record that says something else is wrong about one of them."""
    records = [shop_record(event="AddToCart"), shop_record(event="order"), shop_record(event=None)]
    decoded = decode([*records, shop_record(event="scroll")], described(**SHOP), action=1)
    assert decoded.columns.offset.tolist() == [0, 2]
    assert decoded.ignored == 1
    assert [(one.position, one.reason) for one in decoded.rejects] == [(1, "action_contradicts_topic")]
    assert "'purchase'" in decoded.rejects[0].detail


def test_an_unknown_action_says_which_there_are():
    """The reject names the record's action and ours."""
    decoded = decode([shop_record(event="stare")], described(**SHOP))
    assert decoded.rejects[0].reason == "unknown_action"
    assert decoded.rejects[0].detail == "action 'stare' is none of browse, click, purchase"


def test_constants_need_nothing_in_the_record():
    """A constant is the field of every record, whatever stands there."""
    events = {**SHOP, "scenario": {"constant": "shop"}, "action": {"constant": "click"}}
    decoded = decode([shop_record(shop=["x"], event={"a": 1})], described(**events))
    assert decoded.rejects == []
    assert rows_of(decoded.columns)[0][2] == "shop"
    assert decoded.columns.action.tolist() == [1]


def test_what_stands_beside_a_record_can_be_a_field():
    """Key, headers and the record's own time are fields like others."""
    events = {**SHOP, "user_id": "@key", "timestamp": "@timestamp", "event_id": "@header.id"}
    beside = {"@key": ["ada", None], "@timestamp": [1_793_527_200.5, 1.7e9], "@header.id": ["e1", None]}
    decoded = decode([shop_record(ts=None), shop_record()], described(**events), beside=beside)
    assert rows_of(decoded.columns)[0][:5] == ("ada", "b1", "toys", None, 1_793_527_200.5)
    assert [one.reason for one in decoded.rejects] == ["missing_field"]
    with pytest.raises(SettingsError, match=r"events\.user_id: there is no @key here"):
        decode([shop_record()], described(**events))


def test_an_envelope_is_a_prefix_and_further_fields():
    """What an envelope says beside its payload is read in the same pass."""
    under = described(**SHOP).under("payload.after", {"operation": "payload.op"})
    record = {"payload": {"op": "c", "after": shop_record()}}
    assert rows_of(decode([record], under).columns)[0][0] == "17"
    codes, table = under.read([json.dumps(record).encode(), b'{"payload":{"op":"d"}}']).texts["operation"]
    assert (codes.tolist(), table) == ([0, 1], ["c", "d"])


def test_measures_are_read_where_they_are_asked_for():
    """Quantities may be texts; what is no number costs its record; what nobody asks for is not looked at."""
    config = EventsConfig(**{**SHOP, "quantity": "n"})
    asked = EventDescription(config, measures=("quantity",))
    records = [shop_record(n=2), shop_record(n="3"), shop_record(), shop_record(n=True)]
    read = asked.read([json.dumps(one).encode() for one in records])
    assert read.measures["quantity"].tolist()[:2] == [2.0, 3.0]
    assert np.isnan(read.measures["quantity"][2])
    assert read.rejects == {3: ("wrong_type", "n: expected a number")}
    assert decode(records, EventDescription(config)).rejects == []


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"actions": {"cart": "basket"}}, "'cart' is mapped to 'basket', which is no action"),
        ({"action": {"constant": "stare"}}, "events.action: 'stare' is no action"),
        ({"user_id": "a", "item_id": "a.b"}, "a is one value and an object with values in it"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(events, message):
    """What can't be meant is said before anything is read."""
    with pytest.raises(SettingsError, match=message):
        described(**events)


@pytest.mark.parametrize(
    "events",
    [
        {"user_id": "a..b"},
        {"user_id": "a\\"},
        {"time": "fortnights"},
        {"scenario": {"constant": 1.5}},
        {"scenario": {}},
        {"scenario": {"constant": "x", "path": "y"}},
        {"timestamp": {"constant": 5}},
        {"actions": {"View": "browse", "view": "click"}},
        {"earliest": "soon"},
    ],
)
def test_wrong_settings_are_no_description(events):
    """Each value is checked by itself."""
    with pytest.raises(ValueError):
        EventsConfig(**events)


scalars = (
    st.none()
    | st.booleans()
    | st.text(max_size=3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = (
    scalars
    | st.lists(scalars, max_size=2)
    | st.dictionaries(st.sampled_from(["id", "sku", "0"]), scalars, max_size=2)
)
odd_shop_records = st.fixed_dictionaries(
    {},
    optional={
        "context": st.fixed_dictionaries({"customer": st.fixed_dictionaries({"id": values}) | values})
        | values,
        "ts": st.integers(0, 2 * 10**12) | values,
        "shop": values,
        "items": st.lists(st.fixed_dictionaries({"sku": values}) | values, max_size=2) | values,
        "id": values,
        "event": st.sampled_from(["view", "order", "scroll", "stare"]) | values,
    },
)


@given(st.lists(odd_shop_records, max_size=30), st.integers(0, 30), st.randoms(use_true_random=False))
def test_a_record_is_read_alike_alone_and_among_others_as_json_and_as_an_object(
    records, good, rng: random.Random
):
    """How a record is decoded fast or slowly, by bytes or by objects, changes nothing of what it says."""
    records = records + [shop_record()] * good
    rng.shuffle(records)
    description = described(**SHOP)
    together = decode(records, description)
    offsets = np.arange(len(records))
    objects = decode_events(
        records, offsets=offsets, action=None, source="s", now=NOW, description=description
    )
    alone = [decode([record], description) for record in records]
    assert rows_of(together.columns) == rows_of(objects.columns)
    assert rows_of(together.columns) == [row for one in alone for row in rows_of(one.columns)]
    assert together.rejects == objects.rejects
    assert [(r.reason, r.detail) for r in together.rejects] == [
        (r.reason, r.detail) for one in alone for r in one.rejects
    ]
    assert together.ignored == objects.ignored == sum(one.ignored for one in alone)


@pytest.mark.parametrize("path", ["items.0.sku", "items.1", "items.0.deep.1.0"])
@pytest.mark.parametrize(
    ("value", "text"), [(17, "17"), (17.0, "17"), ("a", "a"), (2**70, str(2**70)), (None, None)]
)
def test_what_an_array_holds_is_read_by_the_rule_of_ids(path: str, value: Any, text: str | None) -> None:
    """Also where every record of the batch has a whole number there: in ids, scenarios, texts and event ids."""
    record: dict[str, Any] = shop_record(words="w", sku="i")
    record["items"] = {
        "items.0.sku": [{"sku": value}],
        "items.1": [0, value],
        "items.0.deep.1.0": [{"deep": [None, [value]]}],
    }[path]
    for field in ("item_id", "event_id", "scenario", "user_id", "text"):
        description = described(**{**SHOP, "text": "words", "item_id": "sku", field: path})
        decoded = decode([record] * 3, description)
        if text is None and field in ("user_id", "scenario"):
            assert len(decoded.rejects) == 3
            continue
        assert not decoded.rejects
        if field != "event_id":
            table = {"item_id": "items", "scenario": "scenarios", "user_id": "users", "text": "texts"}[field]
            assert getattr(decoded.columns, table) == ([] if text is None else [text])
