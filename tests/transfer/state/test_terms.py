"""A batch that would spoil states for good is refused whole."""

import dataclasses

import numpy as np
import pytest

from support.checks.reference_state import Event, terms_of
from support.data.interest_events import SMALL, unit_vector
from transfer.state.states import empty_states
from transfer.state.update import apply_events, merge_states

GOOD = terms_of([Event(0, 5.0, 7, 1, 3, "books", unit_vector(1, SMALL.dim))], SMALL.dim)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": np.array([np.nan])}, "time is not finite"),
        ({"time": np.array([np.inf])}, "time is not finite"),
        ({"user": np.array([2], np.int32)}, "user must lie in 0..1"),
        ({"user": np.array([-1], np.int32)}, "user must lie in 0..1"),
        ({"action": np.array([3], np.uint8)}, "action must lie in 0..2"),
        ({"scenario": np.array([1], np.int32)}, "scenario must lie in 0..0"),
        ({"vector": np.array([1], np.int32)}, "vector must lie in 0..0"),
        ({"vectors": np.zeros((1, 5), np.float32)}, "hold 6 dimensions"),
        ({"vectors": np.full((1, 6), np.nan, np.float32)}, "vector of the batch is not finite"),
        ({"key": np.zeros(0, np.uint64)}, "unequal length"),
    ],
)
def test_a_bad_batch_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    """Indices out of range and numbers that aren't raise before anything is applied."""
    with pytest.raises(ValueError, match=message):
        apply_events(empty_states(2, SMALL), dataclasses.replace(GOOD, **change), SMALL)


def test_states_of_different_users_do_not_merge() -> None:
    """Merging goes user by user, so both sides hold the same ones."""
    with pytest.raises(ValueError, match="different shape"):
        merge_states(empty_states(2, SMALL), empty_states(3, SMALL), SMALL)
