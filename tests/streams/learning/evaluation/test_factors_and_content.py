"""iALS and the mean of content."""

from __future__ import annotations

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.content import ContentMean
from streams.learning.queries import open_queries
from support.data.histories import history_of, random_history

TWO_CIRCLES = [
    (f"{circle}{user}", f"{circle}{(user + step) % 6}", float(user * 100 + step), "s")
    for circle in "ab"
    for user in range(6)
    for step in range(4)
]


def test_factors_tell_circles_of_users_apart():
    """Users of one circle never met the other's items; a user's unseen items of the own circle come before those."""
    pytest.importorskip("implicit")
    from streams.learning.evaluation.methods.ials import ImplicitALS

    history = history_of([*TWO_CIRCLES, ("a0", "a5", 9_999.0, "s")])
    rows = np.arange(len(history))
    queries = open_queries(history, np.flatnonzero(history.time == history.time.max()))
    method = ImplicitALS(Setup())
    method.fit(history, rows, queries)
    scores = method.scores(queries)[0]
    circle = np.array([item[0] == "a" for item in history.items])
    assert scores[circle].min() > scores[~circle].max()


def test_a_users_factors_solve_the_equation():
    """A query's vector is where the gradient of the weighted squares, of all items, is zero."""
    pytest.importorskip("implicit")
    from streams.learning.evaluation.methods.base import profiles
    from streams.learning.evaluation.methods.ials import ImplicitALS

    history = random_history()
    queries = open_queries(history, np.arange(400, 440))
    method = ImplicitALS(Setup())
    method.fit(history, np.arange(400), queries)
    own = profiles(history, queries)
    method.set(**{**method.grid[0], "half_life": None, "by": "time"})
    alpha, regularisation = method.grid[0]["alpha"], method.grid[0]["regularisation"]
    items = method._items[alpha, regularisation].astype(np.float64)
    solved = method._solved(own, items.astype(np.float32))
    assert method.scores(queries) == pytest.approx(solved @ items.T, abs=1e-4)
    confidence = 1 + alpha * np.log1p(own.toarray())
    wanted = (own.toarray() > 0).astype(float)
    error = wanted - solved @ items.T
    gradient = (confidence * error) @ items - regularisation * solved
    assert np.abs(gradient).max() < 1e-3


def test_content_ranks_by_the_cosine_with_the_mean():
    """The item that is closest in content comes first, items without text last."""
    history = history_of(
        [("u", "a", 0.0, "s"), ("u", "b", 1.0, "s"), ("v", "c", 2.0, "s"), ("u", "d", 3.0, "s")]
    )
    code = {item: number for number, item in enumerate(history.items)}
    vectors = np.zeros((4, 2), np.float32)
    vectors[code["a"]], vectors[code["b"]], vectors[code["c"]] = (1, 0), (0.6, 0.8), (0.8, 0.6)
    has_text = np.arange(4) != code["d"]
    queries = open_queries(history, np.flatnonzero(history.time == history.time.max()))
    method = ContentMean(Setup(content=lambda: (vectors, has_text)))
    method.fit(history, np.arange(3), queries)
    order = [history.items[item] for item in np.argsort(-method.scores(queries)[0]).tolist()]
    assert order == ["c", "b", "a", "d"] or order == ["c", "a", "b", "d"]


def test_content_without_texts_is_refused():
    """The error says what is missing."""
    history = random_history()
    queries = open_queries(history, np.arange(10))
    with pytest.raises(EvaluationError, match="--items"):
        ContentMean(Setup()).fit(history, np.arange(10), queries)
    nothing = np.zeros((len(history.items), 4), np.float32), np.zeros(len(history.items), np.bool_)
    with pytest.raises(EvaluationError, match="no"):
        ContentMean(Setup(content=lambda: nothing)).fit(history, np.arange(10), queries)
