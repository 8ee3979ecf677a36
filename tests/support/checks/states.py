"""All states of a store, to compare with those of another."""

from __future__ import annotations

import numpy as np

from sinks.protocols import Store
from support.checks.reference_state import max_relative_error
from transfer.config import InterestConfig
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates


def states_of(store: Store, config: InterestConfig) -> tuple[list[str], InterestStates, np.ndarray]:
    """User ids in order, their states, and their fused vectors (U, D)."""
    records = sorted(
        (record for page in store.users.scan(500, with_vectors=True) for record in page),
        key=lambda record: record.user_id,
    )
    fused = np.stack([record.fused for record in records if record.fused is not None])
    return (
        [record.user_id for record in records],
        unpack_states([record.state for record in records], config),
        fused,
    )


def done_of(store: Store, user: str) -> dict[str, int]:
    """By source the highest offset that the store has of the user, by its marks or by the source's progress."""
    (record,) = store.users.read([user])
    marks = {} if record is None else record.watermarks
    sources = {identity: info.number for identity, info in store.sources.known().items()}
    progress = store.sources.progress(sources.values())
    done = {
        identity: max(marks.get(str(number), -1), progress.get(number, 0) - 1)
        for identity, number in sources.items()
    }
    return {identity: offset for identity, offset in done.items() if offset >= 0}


def assert_same_states(a: Store, b: Store, config: InterestConfig, tolerance: float = 1e-6) -> int:
    """The same users with the same states and fused vectors; how many users."""
    users_a, states_a, fused_a = states_of(a, config)
    users_b, states_b, fused_b = states_of(b, config)
    assert users_a == users_b
    assert max_relative_error(states_a, states_b) <= tolerance
    assert float(np.abs(fused_a - fused_b).max()) <= tolerance
    return len(users_a)
