"""Confluent's wire format: where a record says which schema it was written with.

Before the value: a zero byte, the schema's id in 4 bytes (big-endian), and for Protobuf the path to the message's type
(https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format). Newer
producers leave the value as it is and put the id into a header, `__value_schema_id` or `__key_schema_id`: a byte 1 and the
schema's GUID in 16 bytes, and then that path. A header goes before what the value begins with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

VALUE_HEADER: Final = "__value_schema_id"
KEY_HEADER: Final = "__key_schema_id"
PREFIX_BYTES: Final = 5
_BY_ID, _BY_GUID = 0, 1
_GUID_BYTES: Final = 16
_MOST_INDEXES: Final = 64
_LONGEST_VARINT: Final = 10

SchemaId = int | str
"""A schema's id, or its GUID as text."""


class NotFramed(ValueError):
    """A record that does not say which schema it was written with; the text says why, and quotes nothing of it."""


class Framed(msgspec.Struct, frozen=True, gc=False):
    """A record of the wire format: its schema and what was written with it."""

    schema: SchemaId
    payload: bytes
    """of a Protobuf record whose id lies before it: with the path to the message's type"""
    header: bytes = b""
    """what follows the id in a header: of Protobuf the path to the message's type"""
    in_header: bool = False


def framed(
    value: bytes, headers: Sequence[tuple[str, bytes | None]] = (), name: str = VALUE_HEADER
) -> Framed:
    r"""Take a record apart.

    Raises:
        NotFramed: it is not in the wire format.

    >>> framed(b"\x00\x00\x00\x00\x07rest")
    Framed(schema=7, payload=b'rest', header=b'', in_header=False)
    """
    for found, content in headers:
        if found == name and content:
            schema, rest = _schema_id(content, f"the header {name}")
            return Framed(schema, value, rest, in_header=True)
    if value[:1] == b"\0" and len(value) >= PREFIX_BYTES:  # nearly all of them
        return Framed(int.from_bytes(value[1:PREFIX_BYTES], "big"), value[PREFIX_BYTES:])
    schema, rest = _schema_id(value, "the record")
    return Framed(schema, rest)


def is_framed(value: bytes) -> bool:
    """Whether a record begins as those of the wire format do; no text and no JSON does."""
    return len(value) >= PREFIX_BYTES and value[0] == _BY_ID


def _schema_id(data: bytes, what: str) -> tuple[SchemaId, bytes]:
    if not data:
        raise NotFramed(f"{what} is empty")
    if data[0] == _BY_ID and len(data) >= PREFIX_BYTES:
        return int.from_bytes(data[1:PREFIX_BYTES], "big"), data[PREFIX_BYTES:]
    if data[0] == _BY_GUID and len(data) > _GUID_BYTES:
        return str(UUID(bytes=data[1 : 1 + _GUID_BYTES])), data[1 + _GUID_BYTES :]
    if data[0] in (_BY_ID, _BY_GUID):
        raise NotFramed(f"{what} ends within its schema id")
    json = '; it looks like JSON: leave format = "json"' if data.lstrip()[:1] in (b"{", b"[", b'"') else ""
    raise NotFramed(f"{what} does not begin with a schema id (a zero byte and 4 more){json}")


def message_path(data: bytes) -> tuple[tuple[int, ...], int]:
    r"""The path to a Protobuf message's type in its file, and where the message begins.

    A number of indexes and the indexes, each a varint in zigzag form; a single zero is short for the first type.

    Raises:
        NotFramed: it is none.

    >>> message_path(b"\x00..."), message_path(b"\x04\x02\x00...")
    (((0,), 1), ((1, 0), 3))
    """
    count, at = _varint(data, 0)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MOST_INDEXES:
        raise NotFramed(f"its path to the message's type has {count} indexes")
    path = []
    for _ in range(count):
        index, at = _varint(data, at)
        path.append(index)
    return tuple(path), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + place + 1
    raise NotFramed("it ends within its path to the message's type")
