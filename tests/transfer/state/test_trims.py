"""The moment at which a list that is capped is cut: the user's own event, whatever batch it is in."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.rows import offsets_of
from transfer.state.trims import Arrivals, first_too_many, standing

few = settings(deadline=None, max_examples=50)


@few
@given(
    st.lists(st.sets(st.integers(0, 9), max_size=5), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=40),
    st.integers(0, 6),
)
def test_the_first_event_too_many_is_found(has: list[set[int]], events, limit: int) -> None:
    """As by hand, with sets; also for users who have too many to begin with."""
    events = [event for event in events if event[0] < len(has)]
    sets = [set(keys) for keys in has]
    expected = [len(events)] * len(has)
    for row, (user, key, brings) in enumerate(events):
        if brings:
            sets[user].add(key)
        if len(sets[user]) > limit and expected[user] == len(events):
            expected[user] = row
    columns = np.array(events, np.int64).reshape(-1, 3)
    found = first_too_many(
        offsets_of(np.array([len(keys) for keys in has])),
        np.array([key for keys in has for key in sorted(keys)], np.int64),
        columns[:, 0],
        columns[:, 1],
        columns[:, 2].astype(np.bool_),
        limit,
    )
    assert found.tolist() == expected


@few
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 7))
def test_windows_give_every_event_once_and_in_order(user: list[int], most: int) -> None:
    """Each user's events come in order of arrival, at most this many at a time, until there are none."""
    users = np.array(user, np.int64)
    arrivals, seen = Arrivals.of(users, 5), []
    while arrivals.left().any():
        window = arrivals.window(most)
        assert (np.diff(window) > 0).all()
        assert np.bincount(users[window], minlength=5).max() <= most
        applied = window[: max(len(window) // 2, 1)]
        arrivals.apply(users[applied])
        seen.extend(applied.tolist())
    assert sorted(seen) == list(range(len(user)))
    for one in range(5):
        assert [row for row in seen if user[row] == one] == np.flatnonzero(users == one).tolist()


def test_weights_that_differ_by_rounding_are_equal() -> None:
    """Whatever their size; weights a thousandth apart are not."""
    for size in (1e-12, 0.7, 3e5):
        a, b, c = standing(size * np.array([1.0, 1.0 + 1e-9, 1.001]))
        assert a == b < c
