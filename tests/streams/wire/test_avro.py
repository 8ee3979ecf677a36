"""Avro payloads -> dicts."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wire.avro import avro_decoder
from streams.wire.decoder import UnusableSchema
from support.data.wire_records import AVRO_EVENT, as_text, avro_bytes

RECURSIVE = '{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}'


def record(*fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(fields)],
    }


def decoded(payload: bytes, schema: Any, *used: Any) -> Any:
    return avro_decoder(as_text(schema), [as_text(each) for each in used]).decode(payload, b"", False)


@given(
    st.text(),
    st.integers(0, 4 * 10**12).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)),
    st.none() | st.text(),
)
def test_an_event_comes_back_as_it_was_written(user: str, at: datetime, item: str | None):
    """Strings, unions and moments are what the producer put in; a moment is a moment, whatever unit the schema has."""
    event = {"user_id": user, "timestamp": at, "scenario": "shop", "item_id": item, "event_id": None}
    assert decoded(avro_bytes(event, AVRO_EVENT), AVRO_EVENT) == event


def test_logical_types_are_what_they_stand_for():
    """Dates, times in any unit, decimals and UUIDs come as themselves and need no setting."""
    at = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
    schema = record(
        {"type": "int", "logicalType": "date"},
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "long", "logicalType": "local-timestamp-millis"},
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        {"type": "string", "logicalType": "uuid"},
        {"type": "enum", "name": "Action", "symbols": ["CLICK", "BUY"]},
    )
    number = UUID(int=7)
    values = [date(2026, 11, 1), at, datetime(2026, 11, 1, 10), Decimal("12.50"), number, "BUY"]
    found = decoded(avro_bytes({f"f{n}": value for n, value in enumerate(values)}, schema), schema)
    assert list(found.values()) == values


def test_moments_that_only_a_name_tells_are_moments():
    """Debezium's and Connect's integers are read by `connect.name`, and nanoseconds, which fastavro leaves, too."""
    moment = 1_793_527_200_123_456_000
    kinds = {
        "io.debezium.time.MicroTimestamp": moment // 1000,
        "io.debezium.time.Timestamp": moment // 10**6,
        "org.apache.kafka.connect.data.Timestamp": moment // 10**6,
    }
    fields = [{"type": "long", "connect.name": name} for name in kinds]
    schema = record(*fields, {"type": "long", "logicalType": "timestamp-nanos"}, ["null", fields[0]])
    plain = record("long", "long", "long", "long", ["null", "long"])
    numbers = [*kinds.values(), moment, moment // 1000]
    found = decoded(avro_bytes({f"f{n}": number for n, number in enumerate(numbers)}, plain), schema)
    exact = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert [value.replace(microsecond=exact.microsecond) for value in found.values()] == [exact] * 5
    assert found["f0"] == found["f3"] == found["f4"] == exact


def test_schemas_may_use_others():
    """A type that another schema defines is found by its name."""
    used = {
        "type": "record",
        "name": "Customer",
        "namespace": "crm",
        "fields": [{"name": "id", "type": "long"}],
    }
    schema = record("crm.Customer")
    assert decoded(avro_bytes({"f0": {"id": 5}}, used, schema), schema, used) == {"f0": {"id": 5}}


def test_keys_may_be_plain_strings():
    """A schema of one string, as keys have it, gives strings."""
    assert decoded(avro_bytes("sku-1", "string"), "string") == "sku-1"


@pytest.mark.parametrize("payload", [b"", b"\x06ab", b"\x06abcXX", b"\x06ab\xff", b"\x01ab", b"\xff" * 12])
def test_bytes_that_are_none_of_the_schema_are_refused(payload: bytes):
    """Too few bytes, too many, or bytes that are no text: an error, never another event."""
    with pytest.raises(Exception):  # noqa: B017  any kind of it counts
        decoded(payload, record("string"))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"type": "record"}',
        '{"type": "record", "name": "a", "fields": [{"name": "x", "type": "nope"}]}',
        "[" * 5000 + "]" * 5000,
        '{"type": "array", "items": ' * 100 + '"string"' + "}" * 100,
        as_text(record({"type": "array", "items": "null"})),
        as_text(record({"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}})),
        as_text(record({"type": "array", "items": {"type": "fixed", "name": "Zero", "size": 0}})),
    ],
)
def test_schemas_that_can_not_be_used_are_refused(text: str):
    """What is no schema, is nested without end, or lets ten bytes fill the memory, is refused as a schema."""
    with pytest.raises(UnusableSchema):
        avro_decoder(text, [])


def test_a_type_that_contains_itself_is_read_within_bounds():
    """A tree is read; one that is a million deep costs its record and not the process."""
    assert avro_decoder(RECURSIVE, []).decode(b"\x02\x02\x00", b"", False) == {
        "next": {"next": {"next": None}}
    }
    script = (
        "from streams.wire.avro import avro_decoder\n"
        f"decoder = avro_decoder({RECURSIVE!r}, [])\n"
        "try: decoder.decode(b'\\x02' * 1_000_000 + b'\\x00', b'', False)\n"
        "except RecursionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "refused"), done.stderr
