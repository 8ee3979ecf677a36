"""What methods share: sums over a user's own earlier events."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.methods.base import last_baskets, last_items, profiles
from streams.learning.queries import open_queries
from support.data.histories import history_of, random_history


@pytest.mark.parametrize("by", ["time", "count"])
@pytest.mark.parametrize("half_life", [None, 3.0, 20000.0])
@pytest.mark.parametrize("since", ["query", "latest"])
def test_profiles_are_decayed_sums_of_earlier_events(by, half_life, since):
    """Each entry is the sum of 2 ** (-age / half_life) over the user's earlier events with the item."""
    history = random_history(events=300)
    queries = open_queries(history, np.arange(len(history)))
    weights = np.linspace(1, 2, len(history))
    found = profiles(history, queries, half_life, by, weights, since=since)
    assert found.shape == (len(queries), len(history.items)) and found.dtype == np.float32
    dense = found.toarray()
    for query in range(len(queries)):
        expected = np.zeros(len(history.items))
        begin, end = int(history.offsets[queries.user[query]]), int(queries.seen[query])
        for row in range(begin, end):
            if by == "time":
                now = queries.time[query] if since == "query" else history.time[end - 1]
                age = now - history.time[row]
            else:
                age = end - 1 - row
            expected[history.item[row]] += weights[row] * (0.5 ** (age / half_life) if half_life else 1)
        assert dense[query] == pytest.approx(expected, rel=1e-5, abs=1e-30)


def test_a_tail_keeps_old_items_apart():
    """Where the power has vanished, items still rank by recency, after all that it has something of."""
    history = history_of(
        [("a", "old", 0, "s"), ("a", "older", -9e5, "s"), ("a", "new", 9e5, "s"), ("a", "x", 9.1e5, "s")]
    )
    queries = open_queries(history, np.array([3]))
    dense = profiles(history, queries, 5.0, since="latest", tail=1e-6).toarray()[0]
    code = {name: number for number, name in enumerate(history.items)}
    assert dense[code["new"]] > 0.9 > 1e-6 > dense[code["old"]] > dense[code["older"]] > 0 == dense[code["x"]]


def test_last_items_and_baskets():
    """The latest items, the latest first, text alone passed over; and the latest basket; empty for a first event."""
    history = history_of(
        [
            ("a", "x", 0, "s"),
            ("a", "y", 5, "s"),
            ("a", "z", 5, "s"),
            ("a", "", 7, "s"),
            ("a", "q", 9, "s"),
            ("b", "x", 9, "s"),
        ]
    )
    queries = open_queries(history, np.arange(len(history)))
    names = np.array([*history.items, ""])
    found = {
        (history.users[user], time): sorted(names[row].tolist())
        for user, time, row in zip(
            queries.user.tolist(),
            (queries.time - queries.time[0]).tolist(),
            last_items(history, queries, 2),
            strict=True,
        )
    }
    assert found == {("a", 0): ["", ""], ("a", 5): ["", "x"], ("a", 9): ["y", "z"], ("b", 9): ["", ""]}
    baskets = last_baskets(history, queries).toarray()
    by_query = {
        (history.users[user], time): sorted(names[:-1][row > 0].tolist())
        for user, time, row in zip(
            queries.user.tolist(), (queries.time - queries.time[0]).tolist(), baskets, strict=True
        )
    }
    # The latest basket before 9 is the text at 7: it holds no item.
    assert by_query == {("a", 0): [], ("a", 5): ["x"], ("a", 9): [], ("b", 9): []}
