"""Records in envelopes -> events: the same events as without, and what is about no event counted apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import RegistryUnavailable
from streams.events.decode import Decoded
from streams.events.description import EventDescription
from streams.events.encode import events_of
from streams.events.events_config import EventsConfig
from streams.wire.config import RegistryConfig
from streams.wire.event_decoder import EventDecoder
from streams.wire.record_batch import RecordBatch
from streams.wire.registry import RegistryClient
from streams.wire.schemas import Schemas
from support.data.wire_records import as_text, avro_bytes, prefixed
from support.servers.schema_registry import SchemaRegistry

NOW = 1_793_600_000.0
AT = 1_793_527_200
PLAIN = {"user_id": "ada", "timestamp": AT, "scenario": "shop", "item_id": "sku-1"}
CE_HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e1"),
    ("ce_source", b"/web"),
    ("ce_type", b"click"),
    ("ce_time", b"2026-11-01T10:00:00Z"),
    ("content-type", b"application/json"),
]


def connect(payload: Any) -> dict[str, Any]:
    return {"schema": {"type": "struct", "fields": []}, "payload": payload}


def change(op: str, after: Any = PLAIN, before: Any = None) -> dict[str, Any]:
    return {
        "before": before,
        "after": after,
        "source": {"table": "events", "ts_ms": AT * 1000},
        "op": op,
        "ts_ms": 1,
    }


def track(**other: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "userId": "ada",
        "anonymousId": "anon-1",
        "timestamp": "2026-11-01T10:00:00.000Z",
        "messageId": "m1",
        "properties": {"product_id": "sku-1", "quantity": 2},
        **other,
    }


def decode(
    values: Sequence[Any],
    action: str | None = "click",
    *,
    headers: Sequence[Any] | None = None,
    keys: Sequence[bytes | None] | None = None,
    schemas: Any = None,
    **settings: Any,
) -> Decoded:
    """Mappings are sent as JSON, in UTF-8."""
    sent = [json.dumps(value).encode() if isinstance(value, dict | list) else value for value in values]
    n = len(sent)
    batch = RecordBatch(sent, keys or [None] * n, headers or [()] * n, [AT * 1000.0] * n, "topic")
    decoder = EventDecoder(EventDescription(EventsConfig.model_validate(settings)), action, schemas)
    return decoder.decode(batch, offsets=range(n), source="s", now=NOW)


def users(decoded: Decoded) -> list[str]:
    columns = decoded.columns
    assert columns.offset.tolist() == sorted(columns.offset.tolist())
    return [event.user_id for event in events_of(columns)]


def reasons(decoded: Decoded) -> dict[int, str]:
    assert not any("ada" in reject.detail for reject in decoded.rejects)
    return {reject.position: reject.reason for reject in decoded.rejects}


ENVELOPED = {
    "none": PLAIN,
    "debezium": change("c"),
    "connect": connect(PLAIN),
    "cloudevents": {"specversion": "1.0", "type": "click", "source": "/web", "id": "1", "data": PLAIN},
    "snowplow": {"schema": "iglu:com.acme/event/jsonschema/1-0-0", "data": PLAIN},
}


@pytest.mark.parametrize("envelope", ENVELOPED)
def test_an_event_is_the_same_in_any_envelope(envelope: str):
    """What is unwrapped is what a plain record says; also where the topic does not say the action, if the envelope does."""
    (plain,) = events_of(decode([PLAIN]).columns)
    found = decode([ENVELOPED[envelope]] * 3, envelope=envelope)
    assert events_of(found.columns) == [plain] * 3
    assert not found.rejects and not found.ignored


def test_an_empty_user_of_segment_is_the_anonymous_one():
    """`userId: ""` says as little as none; where there is no anonymous id either, the event is rejected as before."""
    values = [track(userId=""), track(), track(userId=None), track(userId="", anonymousId=None)]
    found = decode(values, None, envelope="segment", scenario={"constant": "shop"}, actions={"*": "browse"})
    assert users(found) == ["anon-1", "ada", "anon-1"]
    assert reasons(found) == {3: "empty_user_id"}


@pytest.mark.parametrize("wrap", [lambda value: value, connect], ids=["plain", "in connect"])
def test_debezium_brings_what_was_created_or_read(wrap: Any):
    """`c` and `r` are events. Updates, deletes and the tombstones after them are none: counted, and no letter is written."""
    values = [
        wrap(change("c")),
        wrap(change("r")),
        wrap(change("u", before=PLAIN)),
        wrap(change("d", after=None, before=PLAIN)),
        None,
        wrap({"op": "m", "message": {}}),
    ]
    found = decode(values, envelope="debezium")
    assert users(found) == ["ada", "ada"]
    assert found.ignored == 4 and not found.rejects


def test_changes_are_refused_where_the_settings_say_so():
    """`changes = "refuse"` makes letters of updates and deletes; tombstones are none."""
    values = [change("c"), change("u"), change("d", after=None, before=PLAIN), None]
    found = decode(values, envelope="debezium", changes="refuse")
    assert reasons(found) == {1: "operation_refused", 2: "operation_refused"}
    assert found.ignored == 1


def test_both_forms_of_debezium_may_mix():
    """A topic whose producer changed its converter is read through; what is no envelope costs itself alone."""
    numbered = [{**PLAIN, "user_id": f"u{n}"} for n in range(6)]
    values = [
        change("c", numbered[0]),
        connect(change("c", numbered[1])),
        PLAIN,
        b"{",
        change("x", numbered[2]),
        connect(change("r", numbered[3])),
        change("c", None),
        change("c", numbered[4]),
    ]
    found = decode(values, envelope="debezium")
    assert users(found) == ["u0", "u1", "u3", "u4"]
    assert reasons(found) == {2: "missing_field", 3: "not_json", 4: "operation_refused", 6: "missing_field"}


def test_paths_start_inside_and_may_lead_outside():
    """The settings' paths are of the event; `@envelope.` is of what stands around it, in either form."""
    row = {"customer": {"id": 7}, "sku": "sku-1"}
    settings = {
        "envelope": "debezium",
        "user_id": "customer.id",
        "item_id": "sku",
        "scenario": "@envelope.source.table",
        "timestamp": "@envelope.source.ts_ms",
        "time": "ms",
    }
    found = decode([change("c", row), connect(change("c", row))], **settings)
    (first, second) = events_of(found.columns)
    assert first == second
    assert (first.user_id, first.item_id, first.scenario, first.timestamp) == ("7", "sku-1", "events", AT)


def test_a_cloud_event_may_stand_in_headers():
    """Structured and binary mode give one event: id, time and type come from the envelope, wherever it is."""
    bare = {"user_id": "ada", "scenario": "shop", "item_id": "sku-1"}
    outer = {
        "specversion": "1.0",
        "type": "click",
        "source": "/web",
        "id": "e1",
        "time": "2026-11-01T10:00:00Z",
    }
    structured = [
        ("content-type", b"application/cloudevents+json; charset=UTF-8"),
        ("ce_specversion", b"1.0"),
    ]
    found = decode(
        [{**outer, "data": bare}, bare, {**outer, "data": bare}],
        None,
        headers=[(), CE_HEADERS, structured],
        envelope="cloudevents",
    )
    assert not found.rejects
    assert len(set(found.columns.key.tolist())) == 1
    assert found.columns.action.tolist() == [1, 1, 1]
    assert set(found.columns.time.tolist()) == {AT}


def test_what_the_event_says_itself_goes_before_its_envelope():
    """A timestamp in `data` is the event's; the envelope's time is when it was sent."""
    outer = {"specversion": "1.0", "type": "click", "id": "e1", "time": "2020-01-01T00:00:00Z"}
    found = decode(
        [{**outer, "data": PLAIN}, {**outer, "data": {**PLAIN, "timestamp": None}}], envelope="cloudevents"
    )
    assert found.columns.time.tolist() == [AT, 1577836800.0]
    assert not found.rejects


def test_segment_calls_become_events():
    """`track` brings user or anonymous id, time, product and the event's name as action; other calls are no events."""
    values = [
        track(),
        track(userId=None, messageId="m2"),
        {"type": "identify", "userId": "ada"},
        {"type": "page", "userId": "ada", "timestamp": "2026-11-01T10:00:00Z"},
        track(event="Order Completed", messageId="m3"),
    ]
    settings = {"envelope": "segment", "scenario": {"constant": "shop"}}
    found = decode(values, None, **settings, actions={"product viewed": "browse"})
    assert users(found) == ["ada", "anon-1"]
    assert [event.item_id for event in events_of(found.columns)] == ["sku-1", "sku-1"]
    assert found.columns.time.tolist() == [AT, AT]
    assert (found.ignored, reasons(found)) == (2, {4: "unknown_action"})
    on_a_topic_of_one_action = decode(values, "click", **settings)
    assert users(on_a_topic_of_one_action) == ["ada", "anon-1", "ada"]


def test_the_settings_go_before_the_envelopes_paths():
    """A path of the settings replaces the one that the envelope brings, and what that falls back to."""
    settings = {"envelope": "segment", "scenario": {"constant": "shop"}, "user_id": "context.traits.id"}
    found = decode([track(context={"traits": {"id": "seven"}}), track()], "click", **settings)
    assert users(found) == ["seven"] and reasons(found) == {1: "missing_field"}


def test_one_record_is_one_event():
    """An array with one element is that event; several in one record are refused by name, since an offset counts one."""
    values = [
        {"data": [PLAIN]},
        {"data": [PLAIN, PLAIN]},
        {"data": []},
        {"data": PLAIN},
        [PLAIN],
        {"other": 1},
    ]
    found = decode(values, envelope="snowplow")
    assert users(found) == ["ada", "ada"]
    assert reasons(found) == {1: "several_events", 2: "missing_field", 4: "wrong_type", 5: "missing_field"}


def test_fields_may_stand_beside_the_value():
    """Keys in any form, headers, the record's time and the topic's name are as good as a path."""
    found = decode(
        [{"item": "i"}] * 3,
        keys=[b"ada", b'"ada"', b'{"schema": {}, "payload": {"id": "ada"}}'],
        headers=[[("shop", b"web")]] * 3,
        user_id="@key",
        item_id="item",
        scenario="@header.shop",
        timestamp="@timestamp",
        event_id="@topic",
    )
    assert users(found) == ["ada"] * 3
    assert len(set(found.columns.key.tolist())) == 1
    assert found.columns.time.tolist() == [AT] * 3


def test_tombstones_are_faults_where_no_protocol_has_them():
    """A plain topic of events has no tombstones: an empty record is a letter, as before."""
    assert reasons(decode([None, PLAIN])) == {0: "empty_record"}


@given(st.lists(st.sampled_from("cruxd"), max_size=30), st.randoms())
def test_every_record_is_an_event_a_reject_or_ignored(operations: list[str], random: Any):
    """Whatever the order and the forms, nothing is counted twice or lost."""
    values = [change(op) if random.random() < 0.5 else connect(change(op)) for op in operations]
    found = decode(values, envelope="debezium")
    assert len(found.columns) == sum(op in "cr" for op in operations)
    assert found.ignored == sum(op in "ud" for op in operations)
    assert len(found.rejects) == operations.count("x")
    assert [reject.position for reject in found.rejects] == [
        at for at, op in enumerate(operations) if op == "x"
    ]


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as started:
        yield started


AVRO_ROW = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "user_id", "type": "long"},
        {"name": "timestamp", "type": {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}},
        {"name": "scenario", "type": "string"},
        {"name": "item_id", "type": "string"},
    ],
}
AVRO_CHANGE = {
    "type": "record",
    "name": "Envelope",
    "fields": [
        {"name": "before", "type": ["null", AVRO_ROW], "default": None},
        {"name": "after", "type": ["null", "Row"], "default": None},
        {"name": "op", "type": "string"},
    ],
}


def test_debezium_over_avro_is_the_same(registry: SchemaRegistry):
    """The envelope is found in decoded records as in JSON; Debezium's microseconds need no setting."""
    schema = registry.register("shop.events-value", as_text(AVRO_CHANGE))
    row = {
        "user_id": 7,
        "timestamp": datetime(2026, 11, 1, 10, tzinfo=UTC),
        "scenario": "shop",
        "item_id": "i",
    }
    plain = {**row, "timestamp": AT * 10**6}
    written = [
        {"before": None, "after": plain, "op": "c"},
        {"before": plain, "after": None, "op": "d"},
    ]
    values = [prefixed(schema, avro_bytes(value, AVRO_CHANGE)) for value in written]
    schemas = Schemas(RegistryClient(RegistryConfig(url=registry.url)), 10)
    found = decode([*values, None, b"{}"], schemas=schemas, format="avro", envelope="debezium")
    (event,) = events_of(found.columns)
    assert (event.user_id, event.timestamp, event.item_id) == ("7", AT, "i")
    assert (found.ignored, reasons(found)) == (2, {3: "not_framed"})
    registry.stop()
    with pytest.raises(RegistryUnavailable):
        decode([prefixed(99, b"")], schemas=schemas, format="avro")


def test_json_schema_takes_the_way_of_json():
    """Behind the prefix stands JSON, in whatever envelope."""
    sent = prefixed(5, json.dumps(change("c")).encode())
    found = decode([sent, json.dumps(change("c")).encode()], format="json-schema", envelope="debezium")
    assert users(found) == ["ada"] and reasons(found) == {1: "not_framed"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (change("c"), 'envelope = "debezium"'),
        (connect(change("u")), 'envelope = "debezium"'),
        (connect(PLAIN), 'envelope = "connect"'),
        (ENVELOPED["cloudevents"], 'envelope = "cloudevents"'),
        (track(), 'envelope = "segment"'),
        (ENVELOPED["snowplow"], 'envelope = "snowplow"'),
        (prefixed(7, b"..."), 'format = "avro"'),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (json.dumps(json.dumps(PLAIN)).encode(), "encodes twice"),
        ({"user_id": "ada"}, ""),
        (b"{", ""),
    ],
)
def test_a_record_in_an_envelope_says_which_setting_it_needs(value: Any, told: str):
    """Without that setting it is rejected, and the reason names it."""
    (reject,) = decode([value]).rejects
    assert (told in reject.detail) if told else ("[events]" not in reject.detail)
    assert "ada" not in reject.detail


def test_records_of_any_client_are_taken():
    """The transport's own records say if they were not unpacked; those of kafka-python have no such word."""
    from kafka.consumer.fetcher import ConsumerRecord

    value = json.dumps(PLAIN).encode()
    names = ConsumerRecord._fields
    known = {
        "topic": "t",
        "partition": 0,
        "offset": 0,
        "timestamp": 1,
        "key": None,
        "value": value,
        "headers": [],
    }
    record = ConsumerRecord(**{name: known.get(name) for name in names})
    batch = RecordBatch.fetched([record], "t")
    assert (batch.values, batch.unreadable, batch.absent()) == ([value], {}, [])
