"""Transitions from basket to basket."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.methods.markov import Markov
from streams.learning.queries import open_queries
from support.data.histories import history_of, random_history

ONE_BY_ONE = [("u", item, float(at), "s") for at, item in enumerate(["a", "b", "a", "b", "a", "c"])]
ASKING = [("v", "a", 10.0, "s"), ("v", "b", 11.0, "s")]


def test_shares_after_an_item_are_the_counted_ones():
    """After a came b twice and c once; with a back-off of 1 to popularity, the shares are those of the formula."""
    history = history_of([*ONE_BY_ONE, *ASKING])
    rows = np.flatnonzero(history.user == 0)
    method = Markov()
    method.fit(history, rows, open_queries(history, rows))
    method.set(half_life=None, backoff=1.0)
    scores = method.scores(open_queries(history, np.array([len(history) - 1])))[0]
    popularity = {"a": 3 / 6, "b": 2 / 6, "c": 1 / 6}
    counts = {"a": 0, "b": 2, "c": 1}
    for code, item in enumerate(history.items):
        assert scores[code] == pytest.approx((counts[item] + popularity[item]) / (3 + 1), rel=1e-6)


def test_learning_bit_by_bit_counts_the_same():
    """Events that are learned in parts of whole baskets give the scores of events that were fitted at once."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")
    queries = open_queries(history, np.sort(rows[-100:]))
    whole, parts = Markov(), Markov()
    whole.fit(history, rows, queries)
    cut = np.flatnonzero(np.diff(history.time[rows]))[[50, 120]] + 1
    first, *more = np.split(rows, cut)
    parts.fit(history, first, queries)
    for part in more:
        parts.learn(part)
    for params in whole.grid:
        whole.set(**params)
        parts.set(**params)
        assert np.allclose(whole.scores(queries), parts.scores(queries), atol=1e-6)


def test_scores_are_a_distribution():
    """Each row sums to 1, of users without any earlier event too."""
    history = random_history()
    queries = open_queries(history, np.arange(len(history)))
    method = Markov()
    method.fit(history, np.argsort(history.time, kind="stable"), queries)
    for params in method.grid:
        method.set(**params)
        scores = method.scores(queries.take(slice(0, 60)))
        assert (scores >= -1e-6).all()
        assert np.allclose(scores.sum(axis=1), 1, atol=1e-4)
