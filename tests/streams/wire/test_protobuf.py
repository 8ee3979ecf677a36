"""Protobuf payloads -> dicts, by schemas that are compiled at run time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.wire.decoder import UnusableSchema
from streams.wire.protobuf import ProtobufDecoder, protobuf_decoder
from support.data.wire_records import PROTO_EVENT

RICH = """syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "common/money.proto";
import "confluent/meta.proto";
import "confluent/type/decimal.proto";
enum Action { CLICK = 0; BUY = 1; }
message Event {
  string user_id = 1 [(confluent.field_meta).doc = "who"];
  int64 big_number = 2;
  google.protobuf.Timestamp at = 3;
  Action action = 4;
  common.Money price = 5;
  repeated string tags = 6;
  map<string, int64> counts = 7;
  optional int32 quantity = 8;
  google.protobuf.StringValue item = 9;
  google.protobuf.Struct more = 10;
  confluent.type.Decimal total = 11;
  message Inner { string y = 1; message Deeper { string z = 1; } }
  bool gift = 12;
}
"""
MONEY = 'syntax = "proto3"; package common; message Money { int64 units = 1; string currency = 2; }'
FIRST, SECOND = b"\x00", b"\x02\x02"


@pytest.fixture(scope="module")
def rich() -> ProtobufDecoder:
    return protobuf_decoder(RICH, {"common/money.proto": MONEY})


def message(decoder: ProtobufDecoder, *path: int) -> Any:
    return decoder.message_class(path)()


def test_fields_keep_names_and_integers(rich: ProtobufDecoder):
    """Field names are the schema's own, 64 bits stay an integer, well-known types are what they stand for."""
    sent = message(rich, 0)
    sent.user_id, sent.big_number, sent.action = "u1", 2**60 + 1, 1
    sent.at.FromDatetime(datetime(2026, 11, 1, 10))
    sent.price.units, sent.item.value, sent.quantity = 5, "sku-1", 0
    sent.tags.extend(["a", "b"])
    sent.counts["k"] = 2**40
    sent.more.update({"deep": {"list": [1, None, "x"]}})
    sent.total.value, sent.total.scale = (1250).to_bytes(2, "big", signed=True), 2
    found = rich.decode(FIRST + sent.SerializeToString(), b"", False)
    assert found == {
        "user_id": "u1",
        "big_number": 2**60 + 1,
        "at": datetime(2026, 11, 1, 10, tzinfo=UTC),
        "action": "BUY",
        "price": {"units": 5},
        "tags": ["a", "b"],
        "counts": {"k": 2**40},
        "quantity": 0,
        "item": "sku-1",
        "more": {"deep": {"list": [1.0, None, "x"]}},
        "total": 12.5,
        "gift": False,
    }


def test_what_is_not_there_is_absent(rich: ProtobufDecoder):
    """A text or number that nobody set is no "" and no 0; an enumeration and a boolean say their first value."""
    assert rich.decode(FIRST, b"", False) == {"action": "CLICK", "gift": False}


def test_the_payload_says_which_message_it_is(rich: ProtobufDecoder):
    """The path leads to any message of the file, also nested ones, from before the value or from a header; maps don't count."""
    inner = message(rich, 0, 0, 0)
    inner.z = "deep"
    assert rich.decode(b"\x06\x00\x00\x00" + inner.SerializeToString(), b"", False) == {"z": "deep"}
    second = protobuf_decoder(PROTO_EVENT, {})
    event = message(second, 1)
    event.user_id = "u1"
    assert second.decode(event.SerializeToString(), SECOND, True) == {"user_id": "u1"}
    assert second.decode(SECOND + event.SerializeToString(), b"", False) == {"user_id": "u1"}


@pytest.mark.parametrize(
    "payload", [b"", b"\x02\x14xx", b"\x02\x01xx", FIRST + b"\xff\xff", FIRST + b"\x0a\x7fab"]
)
def test_bytes_that_are_none_of_the_schema_are_refused(rich: ProtobufDecoder, payload: bytes):
    """A path that leads nowhere and a message that ends early are errors."""
    with pytest.raises(Exception):  # noqa: B017  any kind of it counts
        rich.decode(payload, b"", False)


def test_a_message_that_contains_itself_is_read_within_bounds():
    """One that nests ten thousand times is refused; a hundred is what Protobuf itself reads."""
    decoder = protobuf_decoder('syntax = "proto3"; message N { N next = 1; }', {})
    payload = b""
    for _ in range(10_000):
        payload = b"\x0a" + _varint(len(payload)) + payload
    with pytest.raises(Exception):  # noqa: B017  any kind of it counts
        decoder.decode(FIRST + payload, b"", False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "line 1:1"),
        ('syntax = "proto3"; import "nope.proto"; message A {}', "nope.proto"),
        ('syntax = "proto3"; import "../etc/x.proto"; message A {}', "x.proto"),
    ],
)
def test_texts_that_can_not_be_compiled_are_refused(text: str, told: str, capfd: pytest.CaptureFixture[str]):
    """The reason says where; nothing of it goes to standard error, and no path of this machine is told."""
    with pytest.raises(UnusableSchema, match=told) as refused:
        protobuf_decoder(text, {})
    assert "/tmp" not in str(refused.value)
    assert capfd.readouterr().err == ""


def test_imports_stay_in_their_folder():
    """A reference can't be named so that it is written elsewhere."""
    with pytest.raises(UnusableSchema, match="leaves its folder"):
        protobuf_decoder(PROTO_EVENT, {"../../outside.proto": MONEY})


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])
