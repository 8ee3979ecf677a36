"""Users and items for tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sinks.config import StoreConfig
from sinks.open import open_store
from sinks.point_stores import UserStore
from sinks.points import ItemPoints, UserPoints, UserRecord
from sinks.protocols import Store
from sinks.versions import Version
from sinks.writer import NEW

DIM = 8


@dataclass
class StoreSite:
    """A location where a test may have one store, opened as often as it likes."""

    location: str
    settings: dict[str, Any] = field(default_factory=dict)

    def open(
        self, dim: int = DIM, create: bool = True, first: Version | None = None, **settings: Any
    ) -> Store:
        return open_store(self.location, StoreConfig(**(self.settings | settings)), dim, create, first)


def unit_rows(rng: np.random.Generator, n: int, dim: int = DIM) -> NDArray[np.float32]:
    rows = rng.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def some_users(user_ids: Sequence[str], seed: int = 0, dim: int = DIM, most_interests: int = 4) -> UserPoints:
    """Users with everything different, between none and `most_interests` interests each."""
    rng = np.random.default_rng(seed)
    n = len(user_ids)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, most_interests + 1, n))]).astype(np.int64)
    return UserPoints(
        user_ids=list(user_ids),
        fused=unit_rows(rng, n, dim),
        interests=unit_rows(rng, int(offsets[-1]), dim),
        interest_offsets=offsets,
        states=[rng.bytes(int(size)) for size in rng.integers(0, 5000, n)],
        watermarks=[{"cluster/clicks/3": int(offset)} for offset in rng.integers(0, 2**62, n)],
        weights=[{"toys": float(share), "garden": 1 - float(share)} for share in rng.random(n)],
        updated_at=rng.uniform(1e9, 2e9, n),
    )


def some_part(points: UserPoints, start: int, stop: int) -> UserPoints:
    """The users start:stop."""
    offsets = points.interest_offsets[start : stop + 1]
    return UserPoints(
        points.user_ids[start:stop],
        points.fused[start:stop],
        points.interests[offsets[0] : offsets[-1]],
        offsets - offsets[0],
        points.states[start:stop],
        points.watermarks[start:stop],
        points.weights[start:stop],
        points.updated_at[start:stop],
    )


def put_users(users: UserStore, points: UserPoints) -> list[int]:
    """Write users that nobody else writes, whatever is there of them; the holds that they have then."""
    claim = users.claim(points.user_ids)
    assert users.write(points, claim.holds, token=claim.token).all()
    return [claim.token if hold == NEW else hold for hold in claim.holds]


def some_items(n: int, seed: int = 0, dim: int = DIM, scenarios: int = 5) -> ItemPoints:
    """Items item-0, item-1, ... in scenarios s0, s1, ... in turn, each with a content of its own."""
    rng = np.random.default_rng(seed)
    return ItemPoints(
        item_ids=[f"item-{i}" for i in range(n)],
        vectors=unit_rows(rng, n, dim),
        titles=[f"Title {i}" for i in range(n)],
        scenarios=[f"s{i % scenarios}" for i in range(n)],
        contents=[f"content-{i}" for i in range(n)],
    )


def assert_users_equal(
    records: Sequence[UserRecord | None], points: UserPoints, vectors: bool = False
) -> None:
    """The records are the written points, in their order.

    Engines keep payloads as JSON text, whose floats come back within a unit in the last site.
    """
    assert [record and record.user_id for record in records] == points.user_ids
    for row, record in enumerate(records):
        assert record is not None
        assert record.state == points.states[row]
        assert record.watermarks == points.watermarks[row]
        assert record.weights == pytest.approx(points.weights[row], rel=1e-14)
        assert record.updated_at == pytest.approx(points.updated_at[row], rel=1e-14)
        if vectors:
            assert record.fused is not None and record.interests is not None
            np.testing.assert_allclose(record.fused, points.fused[row], atol=1e-6)
            first, last = points.interest_offsets[row : row + 2]
            assert record.interests.shape == (last - first, points.fused.shape[1])
            np.testing.assert_allclose(record.interests, points.interests[first:last], atol=1e-6)
            assert record.fused.dtype == record.interests.dtype == np.float32
        else:
            assert record.fused is None and record.interests is None
