"""The bytes of an upsert request, straight from arrays.

Building the request from the generated protobuf classes costs a client several times the processor time,
nearly all of it for numbers that lie in memory exactly as the wire wants them. So the message is put together
here; what it must mean is said by qdrant-client's points.proto and json_with_int.proto, whose field numbers
these are:

    UpsertPoints { 1 collection_name, 2 wait, 3 repeated points, 6 update_filter }
    PointStruct  { 1 id { 1 num, 2 uuid }, 3 map payload, 4 vectors { 2 named { 1 map vectors } } }
    Vector       { 101 dense { 1 packed data }, 103 multi_dense { 1 repeated vectors { 1 packed data } } }
    Value        { 1 null, 2 double, 3 integer, 4 string, 5 bool, 6 struct { 1 map }, 7 list { 1 repeated } }

A map is a repeated message { 1 key, 2 value }.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from sinks.collection import Key, Payload, PointBatch, VectorRows

_double = struct.Struct("<d").pack
_INT64 = 0xFFFFFFFFFFFFFFFF

Piece = bytes | memoryview


def encode_upsert(collection: str, batches: Iterable[PointBatch], condition: bytes | None = None) -> bytes:
    """The bytes of an UpsertPoints message with all the points, that waits for them to be applied.

    `condition` is an encoded Filter: points that are there and don't match it are left alone.

    Strings must be encodable as UTF-8 and payloads hold JSON values; see `sinks.validation`.
    """
    # Nothing large is copied until the one join at the end: till then a message is a list of pieces.
    parts: list[Piece] = [_message(1, collection.encode()), b"\x10\x01"]
    for batch in batches:
        shared: list[Piece] = []
        _add_entries(shared, _PAYLOAD, batch.shared)
        vectors = [_vector_encoder(name, named) for name, named in batch.vectors.items()]
        for position, (key, payload) in enumerate(zip(batch.keys, batch.payloads, strict=True)):
            point: list[Piece] = [_key(key)]
            _add_entries(point, _PAYLOAD, payload)
            point += shared
            named = [piece for encode in vectors for piece in encode(position)]
            size = sum(map(len, named))
            inner = _head(2, size)
            point += (_head(4, len(inner) + size), inner, *named)
            parts.append(_head(3, sum(map(len, point))))
            parts += point
    if condition is not None:
        parts.append(_message(6, condition))
    return b"".join(parts)


def _vector_encoder(name: str, named: VectorRows) -> Callable[[int], tuple[Piece, ...]]:
    """A function from a point's position to its entry in the map of named vectors."""
    key = _message(1, name.encode())
    rows = np.ascontiguousarray(named.rows, dtype="<f4")
    size = 4 * rows.shape[1]
    dense_head = _head(1, size)

    if named.offsets is None:
        raw = memoryview(rows.view(np.uint8).reshape(-1).data)
        vector_head = _head(101, len(dense_head) + size) + dense_head
        value_head = _head(2, len(vector_head) + size) + vector_head
        head = _head(1, len(key) + len(value_head) + size) + key + value_head
        return lambda position: (head, raw[position * size : (position + 1) * size])

    # Every row with its two heads in front, made by one copy: a point's rows are then one slice.
    row_head = _head(1, len(dense_head) + size) + dense_head
    stride = len(row_head) + size
    framed = np.empty((len(rows), stride), np.uint8)
    framed[:, : len(row_head)] = np.frombuffer(row_head, np.uint8)
    framed[:, len(row_head) :] = rows.view(np.uint8).reshape(len(rows), size)
    framed_raw = memoryview(framed.reshape(-1).data)
    offsets = named.offsets.tolist()

    @lru_cache
    def multi_head(count: int) -> bytes:
        length = count * stride
        vector_head = _head(103, length)
        value_head = _head(2, len(vector_head) + length) + vector_head
        return _head(1, len(key) + len(value_head) + length) + key + value_head

    def encode(position: int) -> tuple[Piece, ...]:
        first, last = offsets[position], offsets[position + 1]
        if first == last:
            return ()
        return multi_head(last - first), framed_raw[first * stride : last * stride]

    return encode


def _key(key: Key) -> bytes:
    if isinstance(key, int):
        return _message(1, b"\x08" + _varint(key))
    text = key.encode()
    return _uuid_head(len(text)) + text


@lru_cache
def _uuid_head(size: int) -> bytes:
    head = _head(2, size)
    return _head(1, len(head) + size) + head


_PAYLOAD, _FIELDS = 3, 1
"""The numbers of the two maps of values: a point's payload, and the fields of a struct."""
_DOUBLE, _INTEGER, _STRING = 2 << 3 | 1, 3 << 3, 4 << 3 | 2
"""The tags of three kinds of value."""


def _add_entries(pieces: list[Piece], number: int, values: Payload) -> None:
    """Add a map's entries. The kinds of value that users have come first, and for them all that comes again with
    every point is remembered: names, and lengths too."""
    for name, value in values.items():
        kind = type(value)
        if kind is float:
            pieces += (_entry_head(number, name, _DOUBLE, 8), _double(value))
        elif kind is str:
            text = value.encode()
            pieces += (_entry_head(number, name, _STRING, len(text)), text)
        elif kind is int:
            varint = _varint(value & _INT64)
            pieces += (_entry_head(number, name, _INTEGER, len(varint)), varint)
        else:
            pieces.append(_message(number, _message(1, name.encode()) + _message(2, _value(value))))


@lru_cache(maxsize=1 << 14)
def _entry_head(number: int, name: str, tag: int, size: int) -> bytes:
    """All of a map's entry { 1 key, 2 value { tag ... } } but the last `size` bytes."""
    inner = bytes((tag,)) + (_varint(size) if tag == _STRING else b"")
    head = _message(1, name.encode()) + _head(2, len(inner) + size) + inner
    return _head(number, len(head) + size) + head


def _value(value: Any) -> bytes:
    if isinstance(value, dict):
        pieces: list[Piece] = []
        _add_entries(pieces, _FIELDS, value)
        return _message(6, b"".join(pieces))
    if isinstance(value, list):
        return _message(7, b"".join([_message(1, _value(item)) for item in value]))
    if isinstance(value, str):
        return _message(4, value.encode())
    if isinstance(value, bool):
        return b"\x28\x01" if value else b"\x28\x00"
    if isinstance(value, float):
        return b"\x11" + _double(value)
    if isinstance(value, int):
        return b"\x18" + _varint(value & _INT64)
    if value is None:
        return b"\x08\x00"
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _message(number: int, body: bytes) -> bytes:
    """A field with a body of known length."""
    return _head(number, len(body)) + body


def _head(number: int, size: int) -> bytes:
    """What stands in front of the `size` bytes of a field."""
    return _varint(number << 3 | 2) + _varint(size)


def _varint(number: int) -> bytes:
    if number < 0x4000:
        return _SHORT[number]
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SHORT = [bytes((low | 0x80, high) if high else (low,)) for high in range(0x80) for low in range(0x80)]
"""All of one or two bytes, made once: nearly all sizes and tags."""
