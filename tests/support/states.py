"""All states of a store, to compare with those of another."""

from __future__ import annotations

import numpy as np

from sinks.protocols import Store
from support.reference_state import max_relative_error
from transfer.config import InterestConfig
from transfer.interest import InterestStates
from transfer.packing import unpack


def states_of(store: Store, config: InterestConfig) -> tuple[list[str], InterestStates, np.ndarray]:
    """User ids in order, their states, and their fused vectors (U, D)."""
    records = sorted(
        (record for page in store.users.scan(500, with_vectors=True) for record in page),
        key=lambda record: record.user_id,
    )
    fused = np.stack([record.fused for record in records if record.fused is not None])
    return (
        [record.user_id for record in records],
        unpack([record.state for record in records], config),
        fused,
    )


def assert_same_states(a: Store, b: Store, config: InterestConfig, tolerance: float = 1e-4) -> int:
    """The same users with the same states and fused vectors; how many users."""
    users_a, states_a, fused_a = states_of(a, config)
    users_b, states_b, fused_b = states_of(b, config)
    assert users_a == users_b
    assert max_relative_error(states_a, states_b) <= tolerance
    assert float(np.abs(fused_a - fused_b).max()) <= tolerance
    return len(users_a)
