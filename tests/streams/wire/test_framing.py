"""Confluent's wire format, byte by byte."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wire.framing import NotFramed, framed, is_framed, message_path
from support.data.wire_records import guid_header, prefixed

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")


@given(st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_a_prefix_is_taken_off(schema: int, payload: bytes):
    """Any id and any payload come back as they were put together."""
    found = framed(prefixed(schema, payload))
    assert (found.schema, found.payload, found.in_header) == (schema, payload, False)
    assert is_framed(prefixed(schema, payload))


def test_a_header_goes_before_the_value():
    """Newer producers name the schema in a header, and leave the value as it is, whatever it begins with."""
    value = prefixed(7, b"rest")
    found = framed(value, [("trace", b"1"), guid_header(GUID, b"\x02\x02")])
    assert (found.schema, found.payload, found.header, found.in_header) == (
        str(GUID),
        value,
        b"\x02\x02",
        True,
    )
    by_number = framed(b"payload", [("__value_schema_id", b"\x00\x00\x00\x00\x09")])
    assert (by_number.schema, by_number.payload) == (9, b"payload")
    key = framed(b"k", [guid_header(GUID, name="__key_schema_id")], "__key_schema_id")
    assert key.schema == str(GUID)


@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\x00\x00\x00\x07", b"\x01" + bytes(15), b"\x02abcdefg", b'{"a":1}']
)
def test_what_names_no_schema_is_refused(value: bytes):
    """A record without magic byte and id is none of the wire format, and the reason does not quote it."""
    with pytest.raises(NotFramed) as refused:
        framed(value)
    assert "abcdefg" not in str(refused.value)
    assert ('format = "json"' in str(refused.value)) == value.startswith(b"{")


@given(st.text(min_size=1))
def test_no_json_is_taken_for_the_wire_format(text: str):
    """What begins with a zero byte is no JSON and no id, so that keys of both kinds can be told apart."""
    assert not is_framed(text.lstrip("\0").encode())


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=5), st.binary(max_size=10))
def test_paths_to_message_types_are_read(path: list[int], rest: bytes):
    """The indexes come back, and the message begins behind them."""
    data = b"".join(map(_zigzag, [len(path), *path]))
    assert message_path(data + rest) == (tuple(path), len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x04\x02", b"\x01", b"\xff" * 12, b"\xfe\xff\xff\x0f"])
def test_paths_that_are_none_are_refused(data: bytes):
    """A path that ends early, counts below zero or to thousands is no path."""
    with pytest.raises(NotFramed):
        message_path(data)


def _zigzag(number: int) -> bytes:
    rest, out = number << 1, b""
    while rest > 0x7F:
        out, rest = out + bytes([rest & 0x7F | 0x80]), rest >> 7
    return out + bytes([rest])
