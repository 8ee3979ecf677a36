"""The bytes of requests about many points, straight from arrays.

Building the request from the generated protobuf classes costs a client several times the processor time,
nearly all of it for numbers that lie in memory exactly as the wire wants them. So the message is put together
here; what it must mean is defined by qdrant-client's points.proto and json_with_int.proto, whose field numbers
these are:

    UpsertPoints { 1 collection_name, 2 wait, 3 repeated points, 6 update_filter, 8 update_mode }
    CountPoints  { 1 collection_name, 2 filter, 3 exact }
    SetPayloadPoints { 1 collection_name, 2 wait, 3 map payload, 5 points_selector { 2 filter } }
    Filter       { 2 repeated must { 3 has_id { 1 repeated PointId } } }
    PointStruct  { 1 id { 1 num, 2 uuid }, 3 map payload, 4 vectors { 2 named { 1 map vectors } } }
    Vector       { 101 dense { 1 packed data }, 103 multi_dense { 1 repeated vectors { 1 packed data } } }
    Value        { 1 null, 2 double, 3 integer, 4 string, 5 bool, 6 struct { 1 map }, 7 list { 1 repeated } }

A map is a repeated message { 1 key, 2 value }.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinks.collection import Key, Payload, PointBatch, VectorRows, WriteMode

_double = struct.Struct("<d").pack
_INT64 = 0xFFFFFFFFFFFFFFFF

Piece = bytes | memoryview
Column = bytes | NDArray[np.uint8]
"""Bytes that are the same for all points of a form, or (N, size) those that are not."""


def encode_upsert(
    collection: str,
    batches: Iterable[PointBatch],
    condition: bytes | None = None,
    mode: WriteMode = WriteMode.EITHER,
) -> bytes:
    """The bytes of an UpsertPoints message with all the points, that waits for them to be applied.

    `condition` is an encoded Filter: existing points that don't match it are left alone. `mode` says whether
    points may be inserted and replaced.

    Strings must be encodable as UTF-8 and payloads hold JSON values; see `sinks.validation`.
    """
    # Nothing large is copied until the one join at the end: till then a message is a list of pieces.
    parts: list[Piece] = [_message(1, collection.encode()), b"\x10\x01"]
    for batch in batches:
        shared: list[Piece] = []
        _add_entries(shared, _PAYLOAD, batch.shared)
        for key, payload, vectors in zip(batch.keys, batch.payloads, _vectors(batch), strict=True):
            point: list[Piece] = [_key(key)]
            _add_entries(point, _PAYLOAD, payload)
            point += shared
            point.append(vectors)
            parts.append(_head(3, sum(map(len, point))))
            parts += point
    if condition is not None:
        parts.append(_message(6, condition))
    if mode:
        parts.append(bytes((8 << 3, mode)))
    return b"".join(parts)


def encode_count(collection: str, condition: bytes | None) -> bytes:
    """The bytes of a CountPoints message that asks for the exact number of points that match the encoded Filter."""
    chosen = b"" if condition is None else _message(2, condition)
    return _message(1, collection.encode()) + chosen + b"\x18\x01"


def encode_set_payload(collection: str, fields: Payload, condition: bytes) -> bytes:
    """The bytes of a SetPayloadPoints message for all points that match the encoded Filter; it waits to be applied."""
    pieces: list[Piece] = [_message(1, collection.encode()), b"\x10\x01"]
    _add_entries(pieces, _PAYLOAD, fields)
    pieces.append(_message(5, _message(2, condition)))
    return b"".join(pieces)


def encode_among(keys: Iterable[Key]) -> bytes:
    """The bytes of a Filter that the points with these ids match. Others may follow it: both must hold then."""
    return _message(2, _message(3, b"".join(map(_key, keys))))


def _vectors(batch: PointBatch) -> list[Piece]:
    """The field 4 of each point.

    Points with the same number of rows in each multivector have it in the same form, so that those of one form are
    filled in together, column by column.
    """
    counts = [_counts(named, len(batch.keys)) for named in batch.vectors.values()]
    if not counts:
        return [_message(4, _message(2, b""))] * len(batch.keys)
    forms, form_of = np.unique(np.stack(counts), axis=1, return_inverse=True)
    pieces: list[Piece] = [b""] * len(batch.keys)
    for number, form in enumerate(forms.T.tolist()):
        at = np.flatnonzero(form_of.reshape(-1) == number)
        columns: list[Column] = []
        for (name, named), count in zip(batch.vectors.items(), form, strict=True):
            columns += _entry(name, named, at, count)
        columns = _framed(4, _framed(2, columns))
        size = _size(columns)
        block = np.empty((len(at), size), np.uint8)
        start = 0
        for column in columns:
            filled = np.frombuffer(column, np.uint8) if isinstance(column, bytes) else column
            block[:, start : start + filled.shape[-1]] = filled
            start += filled.shape[-1]
        raw = block.reshape(-1).data
        for row, position in enumerate(at.tolist()):
            pieces[position] = raw[row * size : (row + 1) * size]
    return pieces


def _counts(named: VectorRows, n: int) -> NDArray[np.int64]:
    return np.ones(n, np.int64) if named.offsets is None else np.diff(named.offsets)


def _entry(name: str, named: VectorRows, at: NDArray[np.int64], count: int) -> list[Column]:
    """The entry in the map of named vectors for the points `at`, each with `count` rows."""
    if not count:
        return []
    first = at if named.offsets is None else named.offsets[at]
    number = 101 if named.offsets is None else 103
    rows = [np.ascontiguousarray(named.rows[first + row], dtype="<f4").view(np.uint8) for row in range(count)]
    dense = [_framed(1, [row]) for row in rows]
    if named.offsets is not None:
        dense = [_framed(1, row) for row in dense]
    vector = _framed(number, [column for row in dense for column in row])
    return _framed(1, [_message(1, name.encode()), *_framed(2, vector)])


def _framed(number: int, columns: list[Column]) -> list[Column]:
    """A field with what the columns hold."""
    return [_head(number, _size(columns)), *columns]


def _size(columns: list[Column]) -> int:
    return sum(len(column) if isinstance(column, bytes) else column.shape[1] for column in columns)


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
_DOUBLE, _INTEGER, _STRING, _STRUCT = 2 << 3 | 1, 3 << 3, 4 << 3 | 2, 6 << 3 | 2
"""The tags of four kinds of value."""


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
        elif kind is dict:
            fields = _fields(value)
            pieces += (_entry_head(number, name, _STRUCT, len(fields)), fields)
        else:
            pieces.append(_message(number, _message(1, name.encode()) + _message(2, _value(value))))


@lru_cache(maxsize=1 << 14)
def _entry_head(number: int, name: str, tag: int, size: int) -> bytes:
    """All of a map's entry { 1 key, 2 value { tag ... } } but the last `size` bytes."""
    inner = bytes((tag,)) + (_varint(size) if tag & 7 == 2 else b"")
    head = _message(1, name.encode()) + _head(2, len(inner) + size) + inner
    return _head(number, len(head) + size) + head


def _fields(values: Payload) -> bytes:
    pieces: list[Piece] = []
    _add_entries(pieces, _FIELDS, values)
    return b"".join(pieces)


def _value(value: Any) -> bytes:
    if isinstance(value, dict):
        return _message(6, _fields(value))
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
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _message(number: int, body: bytes) -> bytes:
    """A field with a body of known length."""
    return _head(number, len(body)) + body


def _head(number: int, size: int) -> bytes:
    """What stands in front of the `size` bytes of a field."""
    return _varint(number << 3 | 2) + _varint(size)


def _varint(number: int) -> bytes:
    if number < 0x4000:
        return _LAST[number]
    if number < 0x1000_0000:
        return _FIRST[number & 0x3FFF] + _LAST[number >> 14]
    return _FIRST[number & 0x3FFF] + _FIRST[number >> 14 & 0x3FFF] + _varint(number >> 28)


_FIRST = [bytes((low | 0x80, high | 0x80)) for high in range(0x80) for low in range(0x80)]
"""Two bytes of a longer number, by their 14 bits."""
_LAST = [bytes((low | 0x80, high) if high else (low,)) for high in range(0x80) for low in range(0x80)]
"""The one or two bytes that end a number; nearly all sizes and tags are no more than that."""
