"""Points as the embedded engine takes and gives them: the one place that knows what is costly there.

The engine turns Python values into its own one by one, and each value of a payload costs it as much as a dozen numbers of a
vector (a user's payload 34 us; as one text 8, of which 1.4 for making it). So the fields that no filter looks at
(`CollectionSpec.opaque`) go in one text of JSON under `PACKED`.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec
import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from sinks.collection import Found, Key, Payload, PointBatch, VectorRows

PACKED = "json"
"""Field that holds the payload as JSON; points written without it hold their payload as it is."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def edge_points(batch: PointBatch, opaque: Set[str]) -> list[edge.Point]:
    """The engine's points; `opaque` fields of the payload are hidden from its filters and indexes."""
    columns = [(name, *_rows(named)) for name, named in batch.vectors.items()]
    points = []
    for position, (key, payload) in enumerate(zip(batch.keys, batch.payloads, strict=True)):
        vectors: dict[str, Any] = {}
        for name, rows, offsets in columns:
            if offsets is None:
                vectors[name] = rows[position]
            elif offsets[position] < offsets[position + 1]:
                vectors[name] = rows[offsets[position] : offsets[position + 1]]
        points.append(
            edge.Point(key, vectors, packed(payload | batch.shared if batch.shared else payload, opaque))
        )
    return points


def packed(payload: Payload, opaque: Set[str]) -> Payload:
    """The payload as it is given to the engine.

    >>> packed({"user_id": "ada", "fence": 3}, {"user_id"})
    {'json': '{"user_id":"ada"}', 'fence': 3}
    """
    if payload.keys() <= opaque:
        return {PACKED: str(_encode(payload), "utf-8")} if payload else payload
    hidden = {name: value for name, value in payload.items() if name in opaque}
    rest = {name: value for name, value in payload.items() if name not in opaque}
    return {PACKED: str(_encode(hidden), "utf-8"), **rest} if hidden else payload


def unpacked(payload: Payload | None) -> Payload:
    """The payload that was written.

    >>> unpacked({"json": '{"user_id":"ada"}', "fence": 3})
    {'fence': 3, 'user_id': 'ada'}
    """
    if payload is None:
        return {}
    text = payload.pop(PACKED, None)
    return payload if text is None else payload | _decode(text)


def found_point(record: edge.Record) -> Found:
    """A record that the engine gave back."""
    vectors: Any = record.vector or {}  # by name, since ours are all named
    return Found(
        edge_key(record.id),
        unpacked(record.payload),
        {name: np.array(rows, np.float32) for name, rows in vectors.items()},
    )


def edge_key(point_id: object) -> Key:
    """The id as Driftline has it."""
    return point_id if isinstance(point_id, int) else str(point_id)


def _rows(named: VectorRows) -> tuple[list[memoryview], list[int] | None]:
    """Each row as a view of the matrix, which the engine reads as fast as a list and which costs nothing to make."""
    rows: NDArray[np.float32] = np.ascontiguousarray(named.rows, np.float32)
    flat, dim = rows.reshape(-1).data, rows.shape[1]
    views = [flat[start : start + dim] for start in range(0, len(flat), dim)]
    return views, None if named.offsets is None else named.offsets.tolist()
