"""A store as the releases made it that wrote users under the fencing tokens of lanes, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pybase64 import b64encode_as_string

from sinks.collection import Collection, Payload, PointBatch, VectorRows
from sinks.config import StoreConfig
from sinks.engine import Engine
from sinks.layout import store_layout
from sinks.points import UserPoints, named_id, user_point_id
from support.data.store_points import DIM

LANES = {-1: 40, 0: 41, 1: 42, 17: 39}
"""By partition number the token of its point; -1 was who filled a version."""
COUNTER = 42


def make_first_version(engine: Engine, points: UserPoints) -> None:
    """Create the store with these users."""
    layout = store_layout(StoreConfig(), DIM)
    meta, users, _items = (
        engine.create(spec)
        for spec in (layout.meta, replace(layout.users, integers=("fence",)), layout.items)
    )
    engine.index(replace(layout.users, integers=("fence",)))
    engine.index(layout.items)
    put_payloads(
        meta,
        {
            "fence counter": {"fence": COUNTER, "owner": "0123456789abcdef"},
            "versions": {
                "fence": 3,
                "owner": "fedcba9876543210",
                "live": "",
                "frozen": "",
                "versions": [
                    {"name": "", "model": "analytic", "tower": False, "settings": "{}", "made": True}
                ],
            },
            "blob/whitening": {"name": "whitening", "blob": b64encode_as_string(b"kept")},
            "store": {"version": 1, "dim": DIM},
        },
    )
    put_payloads(
        users,
        {
            f"lane/{lane}": {"lane": lane, "fence": token, "owner": "0123456789abcdef"}
            for lane, token in LANES.items()
        },
    )
    put_older_users(users, points)
    engine.finished()


def put_older_users(users: Collection, points: UserPoints, fence: int = COUNTER) -> None:
    """As a lane wrote them."""
    payloads: Sequence[Payload] = [
        {
            "user_id": user_id,
            "state": b64encode_as_string(points.states[row]),
            "watermarks": points.watermarks[row],
            "weights": points.weights[row],
            "updated_at": float(points.updated_at[row]),
            "fence": fence,
        }
        for row, user_id in enumerate(points.user_ids)
    ]
    vectors = {
        "fused": VectorRows(points.fused),
        "interests": VectorRows(points.interests, points.interest_offsets),
    }
    keys = [user_point_id(user_id) for user_id in points.user_ids]
    users.upsert(PointBatch(keys, vectors, payloads, np.full(len(keys), 100, np.int64)))


def put_payloads(collection: Collection, payloads: dict[str, Payload]) -> None:
    """Points without vectors, by name."""
    keys = [named_id(name) for name in payloads]
    sizes = np.full(len(keys), 200, np.int64)
    collection.upsert(PointBatch(keys, {}, list(payloads.values()), sizes))
