"""Users whose stored state is damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sinks.points import UserPoints
from sinks.protocols import Store


def _turn_a_byte(state: bytearray) -> None:
    state[40] ^= 0xFF


def damage(store: Store, user_ids: Sequence[str], change: Callable[[bytearray], None] = _turn_a_byte) -> None:
    """Change these users' states; everything else of their points stays."""
    found = store.users.read(user_ids, with_vectors=True)
    records = [record for record in found if record is not None]
    assert len(records) == len(user_ids)
    interests = [record.interests for record in records if record.interests is not None]
    fused = [record.fused for record in records if record.fused is not None]
    states = [bytearray(record.state) for record in records]
    for state in states:
        change(state)
    store.users.write(
        UserPoints(
            user_ids=list(user_ids),
            fused=np.stack(fused),
            interests=np.concatenate(interests),
            interest_offsets=np.concatenate([[0], np.cumsum([len(rows) for rows in interests])]),
            states=[bytes(state) for state in states],
            watermarks=[record.watermarks for record in records],
            weights=[record.weights for record in records],
            updated_at=np.array([record.updated_at for record in records]),
        )
    )
