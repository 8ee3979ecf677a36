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

_DOUBLE = struct.Struct("<d").pack


def encode_upsert(collection: str, batches: Iterable[PointBatch], condition: bytes | None = None) -> bytes:
    """The bytes of an UpsertPoints message with all the points, that waits for them to be applied.

    `condition` is an encoded Filter: points that are there and don't match it are left alone.

    Strings must be encodable as UTF-8 and payloads hold JSON values; see `sinks.validation`.
    """
    parts = [_message(1, collection.encode()), b"\x10\x01"]
    for batch in batches:
        shared = _payload(batch.shared)
        vectors = [_vector_encoder(name, named) for name, named in batch.vectors.items()]
        for position, (key, payload) in enumerate(zip(batch.keys, batch.payloads, strict=True)):
            named = b"".join([encode(position) for encode in vectors])
            point = _key(key) + _payload(payload) + shared + _message(4, _message(2, named))
            parts += (b"\x1a", _varint(len(point)), point)
    if condition is not None:
        parts.append(_message(6, condition))
    return b"".join(parts)


def _vector_encoder(name: str, named: VectorRows) -> Callable[[int], bytes]:
    """A function from a point's position to its entry in the map of named vectors."""
    key = _message(1, name.encode())
    rows = np.ascontiguousarray(named.rows, dtype="<f4")
    size = 4 * rows.shape[1]
    dense_head = b"\x0a" + _varint(size)

    if named.offsets is None:
        raw = rows.tobytes()
        dense_length = len(dense_head) + size
        vector_head = _tag(101, 2) + _varint(dense_length) + dense_head
        value_head = b"\x12" + _varint(len(vector_head) + size) + vector_head
        head = b"\x0a" + _varint(len(key) + len(value_head) + size) + key + value_head
        return lambda position: head + raw[position * size : (position + 1) * size]

    # Every row with its two heads in front, made by one copy: a point's rows are then one slice.
    row_head = b"\x0a" + _varint(len(dense_head) + size) + dense_head
    stride = len(row_head) + size
    framed = np.empty((len(rows), stride), np.uint8)
    framed[:, : len(row_head)] = np.frombuffer(row_head, np.uint8)
    framed[:, len(row_head) :] = rows.view(np.uint8).reshape(len(rows), size)
    raw = framed.tobytes()
    offsets = named.offsets.tolist()

    @lru_cache
    def multi_head(count: int) -> bytes:
        length = count * stride
        vector_head = _tag(103, 2) + _varint(length)
        value_head = b"\x12" + _varint(len(vector_head) + length) + vector_head
        return b"\x0a" + _varint(len(key) + len(value_head) + length) + key + value_head

    def encode(position: int) -> bytes:
        first, last = offsets[position], offsets[position + 1]
        if first == last:
            return b""
        return multi_head(last - first) + raw[first * stride : last * stride]

    return encode


def _key(key: Key) -> bytes:
    return _message(1, b"\x08" + _varint(key) if isinstance(key, int) else _message(2, key.encode()))


def _payload(payload: Payload) -> bytes:
    return b"".join(
        [_message(3, _map_key(name) + _message(2, _value(value))) for name, value in payload.items()]
    )


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _message(4, value.encode())
    if isinstance(value, bool):
        return b"\x28\x01" if value else b"\x28\x00"
    if isinstance(value, float):
        return b"\x11" + _DOUBLE(value)
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, dict):
        entries = [_message(1, _map_key(name) + _message(2, _value(item))) for name, item in value.items()]
        return _message(6, b"".join(entries))
    if isinstance(value, list):
        return _message(7, b"".join([_message(1, _value(item)) for item in value]))
    if value is None:
        return b"\x08\x00"
    raise TypeError(f"{type(value).__name__} is no JSON value")


@lru_cache(maxsize=4096)
def _map_key(name: str) -> bytes:
    # Field names, sources and scenarios come again with every point.
    return _message(1, name.encode())


def _message(number: int, body: bytes) -> bytes:
    """A field of fewer than 16 with a body of known length."""
    return bytes((number << 3 | 2,)) + _varint(len(body)) + body


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
