"""Points as the embedded engine takes and gives them: the one place that knows what is costly there.

The engine turns Python values into its own one by one, and each value of a payload costs it as much as a dozen numbers of a
vector (a user's payload 34 us; as one text 8, of which 1.4 for making it). So the fields that no filter looks at
(`CollectionSpec.opaque`) go in one text of JSON under `PACKED`. The rows of multivectors go there too, as base64 of their
float32: as vectors they cost a third of a user's write, and nobody can search a folder that this process holds. A
reader of a point finds them among its vectors all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray
from pybase64 import b64decode, b64encode_as_string

from sinks.collection import Found, Key, Payload, PointBatch, VectorRows

PACKED = "json"
"""Field that holds the payload as JSON; points written without it hold their payload as it is."""
ROWS = "rows"
"""Field within it that holds multivectors by name."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def edge_points(batch: PointBatch, opaque: Set[str]) -> list[edge.Point]:
    """The engine's points; `opaque` fields of the payload are hidden from its filters and indexes, as are multivectors."""
    single = [(name, _views(named)) for name, named in batch.vectors.items() if named.offsets is None]
    multi = [(name, _texts(named)) for name, named in batch.vectors.items() if named.offsets is not None]
    points = []
    for position, (key, payload) in enumerate(zip(batch.keys, batch.payloads, strict=True)):
        vectors: dict[str, Any] = {name: rows[position] for name, rows in single}
        hidden = {name: texts[position] for name, texts in multi if texts[position]}
        full = payload | batch.shared if batch.shared else payload
        points.append(edge.Point(key, vectors, pack_payload(full, opaque, hidden)))
    return points


def pack_payload(
    payload: Payload, opaque: Set[str], rows: Mapping[str, str] = MappingProxyType({})
) -> Payload:
    """The payload as it is given to the engine. rows: multivectors by name, each as base64 of its float32.

    >>> pack_payload({"user_id": "ada", "fence": 3}, {"user_id"})
    {'json': '{"user_id":"ada"}', 'fence': 3}
    """
    hidden: Payload = {name: value for name, value in payload.items() if name in opaque}
    rest = {name: value for name, value in payload.items() if name not in opaque}
    if rows:
        hidden[ROWS] = rows
    return {PACKED: str(_encode(hidden), "utf-8"), **rest} if hidden else payload


def unpack_payload(payload: Payload | None) -> Payload:
    """The payload that was written.

    >>> unpack_payload({"json": '{"user_id":"ada"}', "fence": 3})
    {'fence': 3, 'user_id': 'ada'}
    """
    if payload is None:
        return {}
    text = payload.pop(PACKED, None)
    return payload if text is None else payload | _decode(text)


def found_point(record: edge.Record) -> Found:
    """A record that the engine gave back."""
    vectors: Any = record.vector or {}  # by name, since ours are all named
    payload = unpack_payload(record.payload)
    found = {name: np.array(rows, np.float32) for name, rows in vectors.items()}
    rows = payload.pop(ROWS, None)
    if rows and found:
        dim = len(next(iter(found.values())))
        found |= {name: np.frombuffer(b64decode(text), "<f4").reshape(-1, dim) for name, text in rows.items()}
    return Found(edge_key(record.id), payload, found)


def edge_key(point_id: object) -> Key:
    """The id as Driftline has it."""
    return point_id if isinstance(point_id, int) else str(point_id)


def _views(named: VectorRows) -> list[memoryview]:
    """Each row as a view of the matrix, which the engine reads as fast as a list and which costs nothing to make."""
    rows: NDArray[np.float32] = np.ascontiguousarray(named.rows, np.float32)
    flat, dim = rows.reshape(-1).data, rows.shape[1]
    return [flat[start : start + dim] for start in range(0, len(flat), dim)]


def _texts(named: VectorRows) -> list[str]:
    """Each point's rows as base64 of their bytes; "" where there are none."""
    raw = np.ascontiguousarray(named.rows, "<f4").tobytes()
    size = 4 * named.rows.shape[1]
    bounds = [] if named.offsets is None else (named.offsets * size).tolist()
    return [b64encode_as_string(raw[start:stop]) for start, stop in pairwise(bounds)]
