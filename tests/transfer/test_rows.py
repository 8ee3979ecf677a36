"""Rows of many users in one array."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.rows import offsets_of, owners, union

sides = st.lists(
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12), min_size=1, max_size=5
)


def columns(users: list[set[tuple[int, int]]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Offsets and key columns of each user's sorted pairs."""
    rows = [pair for user in users for pair in sorted(user)]
    return offsets_of(np.array([len(user) for user in users])), list(
        np.array(rows, np.int64).reshape(-1, 2).T
    )


@settings(deadline=None, max_examples=60)
@given(sides, sides)
def test_a_union_is_the_sorted_union_of_each_users_rows(a, b) -> None:
    """Each user's rows of both sides in order of their keys, equal keys in one place."""
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    (offsets_a, keys_a), (offsets_b, keys_b) = columns(a), columns(b)
    joint = union(offsets_a, keys_a, offsets_b, keys_b)
    offsets, keys = columns([x | y for x, y in zip(a, b, strict=True)])
    assert joint.offsets.tolist() == offsets.tolist()
    for place, side in ((joint.place_a, keys_a), (joint.place_b, keys_b)):
        for merged, column in zip(keys, side, strict=True):
            np.testing.assert_array_equal(merged[place], column)
    assert len(owners(offsets)) == joint.size
