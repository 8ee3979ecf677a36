"""How points look inside the embedded engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge

from sinks.collection import PointBatch, VectorRows
from sinks.edge.points import PACKED, edge_points, found_point

NAMES = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(3)]
PAYLOADS = [
    {
        "user_id": "zoë",
        "state": "c3RhdGU=",
        "watermarks": {"c/clicks/0": 2**63 - 1},
        "weights": {},
        "fence": 7,
    },
    {
        "user_id": 'quote " and \\',
        "state": "",
        "watermarks": {},
        "weights": {"toys": 0.1},
        "updated_at": 1e9 + 0.1,
    },
    {"lane": 3, "owner": "a"},
]
OPAQUE = frozenset(("user_id", "state", "watermarks", "weights", "updated_at"))


@pytest.fixture
def shard(tmp_path: Path) -> edge.EdgeShard:
    vectors = {
        "fused": edge.EdgeVectorParams(size=2, distance=edge.Distance.Dot),
        "interests": edge.EdgeVectorParams(
            size=2,
            distance=edge.Distance.Dot,
            multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        ),
    }
    return edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors=vectors))


def batch(rows: np.ndarray) -> PointBatch:
    return PointBatch(
        NAMES,
        {"fused": VectorRows(rows), "interests": VectorRows(rows, np.array([0, 2, 2, 3]))},
        PAYLOADS,
        np.ones(3, np.int64),
    )


def written(shard: edge.EdgeShard, points: list[edge.Point]) -> list[edge.Record]:
    shard.update(edge.UpdateOperation.upsert_points(points))
    found = {str(record.id): record for record in shard.retrieve(NAMES, True, True)}
    return [found[name] for name in NAMES]


def test_points_come_back_as_they_were(shard: edge.EdgeShard) -> None:
    """Payloads come back to the last bit, and each point has its own vectors, whatever the layout of the matrix."""
    rows = np.arange(12, dtype=np.float64).reshape(3, 4)[:, ::2]
    found = [found_point(record) for record in written(shard, edge_points(batch(rows), OPAQUE))]
    assert [point.payload for point in found] == PAYLOADS
    assert [point.vectors["fused"].tolist() for point in found] == rows.tolist()
    assert found[0].vectors["interests"].tolist() == rows[:2].tolist()
    assert "interests" not in found[1].vectors
    assert found[2].vectors["interests"].tolist() == rows[2:].tolist()


def test_only_opaque_fields_are_packed(shard: edge.EdgeShard) -> None:
    """A filter sees every field that is not declared opaque."""
    without_rows = PointBatch(NAMES, {}, PAYLOADS, np.ones(3, np.int64))
    records = written(shard, edge_points(without_rows, OPAQUE))
    assert [set(record.payload or {}) for record in records] == [
        {PACKED, "fence"},
        {PACKED},
        {"lane", "owner"},
    ]


def test_fields_shared_by_a_batch_are_in_every_point(shard: edge.EdgeShard) -> None:
    """What a batch says of all its points is read from each of them."""
    several = PointBatch(NAMES, {}, [{"user_id": name} for name in NAMES], np.ones(3, np.int64), {"fence": 9})
    records = written(shard, edge_points(several, OPAQUE))
    assert [found_point(record).payload for record in records] == [{"user_id": n, "fence": 9} for n in NAMES]


def test_points_that_were_not_packed_are_read(shard: edge.EdgeShard) -> None:
    """A folder that an older Driftline wrote needs no conversion: plain payloads, multivectors as such."""
    vectors = {"fused": [1.0, 2.0], "interests": [[1.0, 2.0], [3.0, 4.0]]}
    plain = [edge.Point(name, vectors, payload) for name, payload in zip(NAMES, PAYLOADS, strict=True)]
    records = written(shard, plain)
    assert found_point(records[0]).vectors["interests"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    found = [found_point(record).payload for record in records]
    assert [{**point, "updated_at": 0} for point in found] == [{**p, "updated_at": 0} for p in PAYLOADS]
