"""Records by their schemas, against a real registry: what is asked, what is kept, and whose fault is what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.errors import RegistryUnavailable
from streams.wire.config import RegistryConfig
from streams.wire.protobuf import protobuf_decoder
from streams.wire.registry import RegistryClient
from streams.wire.schemas import Schemas
from streams.wire.unframed import unframed
from support.data.wire_records import AVRO_EVENT, PROTO_EVENT, as_text, avro_bytes, guid_header, prefixed
from support.servers.schema_registry import SchemaRegistry

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def event(user: str) -> dict[str, Any]:
    return {"user_id": user, "timestamp": AT, "scenario": "shop", "item_id": "i", "event_id": None}


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as started:
        yield started


class Clock:
    """Seconds that pass only where somebody sleeps or they are set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.on_sleep = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schemas(registry: SchemaRegistry, clock: Clock) -> Schemas:
    config = RegistryConfig(url=registry.url, timeout_s=2.0)
    return Schemas(RegistryClient(config), 3, monotonic=lambda: clock.now, sleep=clock.sleep)


def decode(
    schemas: Schemas, values: list[bytes | None], wire_format: Any = "avro", headers: Any = None
) -> Any:
    return unframed(values, headers or [()] * len(values), wire_format, schemas)


def test_good_records_are_decoded_whatever_stands_between_them(registry: SchemaRegistry, schemas: Schemas):
    """Records without a schema id, of unknown schemas and with bytes of none are told apart, and cost no other record."""
    schema = registry.register("events-value", as_text(AVRO_EVENT))
    other = registry.register("other-value", PROTO_EVENT, "PROTOBUF")
    broken = registry.register("broken", "{")
    good = avro_bytes(event("ada"), AVRO_EVENT)
    found = decode(
        schemas,
        [
            prefixed(schema, good),
            b'{"user_id": "ada"}',
            prefixed(77, good),
            prefixed(schema, good[:-3]),
            None,
            prefixed(other, good),
            prefixed(broken, good),
            prefixed(schema, avro_bytes(event("bob"), AVRO_EVENT)),
        ],
    )
    assert [value and value["user_id"] for value in found.values] == ["ada", *[None] * 6, "bob"]
    reasons = {position: reason for position, (reason, _) in found.rejects.items()}
    assert reasons == {
        1: "not_framed",
        2: "unknown_schema",
        3: "undecodable_record",
        5: "unusable_schema",
        6: "unusable_schema",
    }
    assert not any("ada" in detail for _, detail in found.rejects.values())


def test_ids_in_headers_lead_to_the_same_schema(registry: SchemaRegistry, schemas: Schemas):
    """A GUID in a header, and the path to the Protobuf message behind it, are as good as a prefix."""
    schema = registry.register("events-value", as_text(AVRO_EVENT))
    payload = avro_bytes(event("ada"), AVRO_EVENT)
    found = decode(schemas, [payload], headers=[[guid_header(registry.guid(schema))]])
    assert found.values == [event("ada")]
    proto = registry.register("p", PROTO_EVENT, "PROTOBUF")
    sent = protobuf_decoder(PROTO_EVENT, {}).message_class((1,))(user_id="bob")
    header = guid_header(registry.guid(proto), b"\x02\x02")
    found = decode(schemas, [sent.SerializeToString()], "protobuf", [[header]])
    assert found.values == [{"user_id": "bob"}]


def test_json_schema_is_json_behind_the_prefix(schemas: Schemas, registry: SchemaRegistry):
    """The JSON is handed on as it is, and no schema is asked for."""
    assert decode(schemas, [prefixed(5, b'{"a": 1}'), None], "json-schema").values == [b'{"a": 1}', None]
    assert registry.requests == []


def test_references_are_resolved(registry: SchemaRegistry, schemas: Schemas):
    """What a schema uses is fetched, and what that uses, in Avro as in Protobuf."""
    city = {"type": "record", "name": "geo.City", "fields": [{"name": "name", "type": "string"}]}
    customer = {"type": "record", "name": "crm.Customer", "fields": [{"name": "city", "type": "geo.City"}]}
    order = {"type": "record", "name": "Order", "fields": [{"name": "by", "type": "crm.Customer"}]}
    registry.register("city", as_text(city))
    registry.register("customer", as_text(customer), references=(("geo.City", "city", 1),))
    schema = registry.register("order", as_text(order), references=(("crm.Customer", "customer", 1),))
    value = {"by": {"city": {"name": "Bonn"}}}
    assert decode(schemas, [prefixed(schema, avro_bytes(value, city, customer, order))]).values == [value]
    registry.register("a", 'syntax = "proto3"; package a; message A { string x = 1; }', "PROTOBUF")
    text = 'syntax = "proto3"; import "deep/a.proto"; message B { a.A a = 1; }'
    proto = registry.register("b", text, "PROTOBUF", (("deep/a.proto", "a", 1),))
    assert decode(schemas, [prefixed(proto, b"\x00\x0a\x03\x0a\x01y")], "protobuf").values == [
        {"a": {"x": "y"}}
    ]
    lost = registry.register("c", text + " ", "PROTOBUF", (("deep/a.proto", "gone", 1),))
    assert decode(schemas, [prefixed(lost, b"\x00")], "protobuf").rejects[0][0] == "unusable_schema"


def test_a_schema_is_asked_for_once(registry: SchemaRegistry, schemas: Schemas):
    """What is known is never asked for again, and goes on to be known while the registry is away."""
    schema = registry.register("s", as_text(AVRO_EVENT))
    record = prefixed(schema, avro_bytes(event("ada"), AVRO_EVENT))
    for _ in range(3):
        decode(schemas, [record] * 10)
    registry.stop()
    assert decode(schemas, [record]).values == [event("ada")]
    assert registry.requests == [f"/schemas/ids/{schema}"]


def test_no_more_schemas_are_kept_than_the_settings_say(registry: SchemaRegistry, schemas: Schemas):
    """The least used one goes; it is asked for again when it comes again."""
    kinds = [{**AVRO_EVENT, "name": f"Event{n}"} for n in range(5)]
    records = [
        prefixed(registry.register(f"s{n}", as_text(kind)), avro_bytes(event("u"), kind))
        for n, kind in enumerate(kinds)
    ]
    for record in [*records, records[4], records[0]]:
        assert decode(schemas, [record]).values == [event("u")]
    assert [path.rpartition("/")[2] for path in registry.requests] == ["1", "2", "3", "4", "5", "1"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_registry_that_fails_costs_no_record(registry: SchemaRegistry, schemas: Schemas, status: int):
    """While it fails, decoding raises and rejects nothing; after it, the same records are decoded."""
    schema = registry.register("s", as_text(AVRO_EVENT))
    record = prefixed(schema, avro_bytes(event("ada"), AVRO_EVENT))
    registry.faults.status = status
    with pytest.raises(RegistryUnavailable):
        decode(schemas, [record, b"{"])
    registry.faults.status = 0
    registry.stop()
    with pytest.raises(RegistryUnavailable):
        decode(schemas, [record])
    registry.start()
    assert decode(schemas, [record]).values == [event("ada")]


def test_a_schema_of_this_moment_is_waited_for(registry: SchemaRegistry, schemas: Schemas, clock: Clock):
    """A follower that learns an id a second later costs no record; one that is unknown is not asked for at every record."""
    schema = registry.register("s", as_text(AVRO_EVENT))
    record = prefixed(schema, avro_bytes(event("ada"), AVRO_EVENT))
    registry.faults.hidden = {schema}
    clock.on_sleep = registry.faults.hidden.clear
    assert decode(schemas, [record]).values == [event("ada")]
    asked = len(registry.requests)
    for _ in range(5):
        assert decode(schemas, [prefixed(99, b"")] * 10).rejects[9][0] == "unknown_schema"
    assert len(registry.requests) == asked + 2
    clock.now += 60
    decode(schemas, [prefixed(99, b"")])
    assert len(registry.requests) == asked + 4
