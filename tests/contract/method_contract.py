"""What every evaluation method promises; written once, subclassed per method."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from streams.learning.evaluation.methods.base import Method, Setup
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.split import Split, split_of
from support.data.histories import history_of

Make = Callable[[Setup], Method]
ITEMS, USERS, EVENTS = 20, 8, 400


@cache
def _log(later: int = 0) -> tuple[History, Split]:
    """A log; with another `later` other things happen in its last tenth. All else, names included, is the same."""
    rng = np.random.default_rng(3)
    item, user = rng.integers(ITEMS, size=EVENTS), rng.integers(USERS, size=EVENTS)
    last = np.arange(EVENTS) >= EVENTS * 9 // 10
    item[last] = np.random.default_rng(later).permutation(item[last])
    rows = [(f"u{user[n]}", f"i{item[n]}", 1000.0 * n, f"s{item[n] % 3}") for n in range(EVENTS)]
    history = history_of(rows)
    return history, split_of(history, "time", force=True)


def _fitted(make: Make, later: int = 0, task: str = "open") -> tuple[Method, Queries]:
    history, split = _log(later)
    method = make(Setup())
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    return method, split.queries(history, "validation", task)


class MethodContract:
    """Subclasses give the fixture `make`."""

    tolerance = 1e-5

    @pytest.fixture
    def make(self) -> Make:
        """What the registry calls: a setup in, an unfitted method out."""
        raise NotImplementedError

    def close(self, left: np.ndarray, right: np.ndarray) -> None:
        np.testing.assert_allclose(left, right, rtol=self.tolerance, atol=self.tolerance)

    @pytest.mark.parametrize("task", ["open", "given"])
    def test_scores_are_float32_for_every_item(self, make: Make, task: str) -> None:
        """Q queries give (Q, N) float32, whether the request names its scenario or not."""
        method, queries = _fitted(make, task=task)
        scores = method.scores(queries)
        assert scores.shape == (len(queries), len(_log()[0].items))
        assert scores.dtype == np.float32

    @pytest.mark.parametrize("task", ["open", "given"])
    def test_probabilities_are_such(self, make: Make, task: str) -> None:
        """A method that says that its scores are probabilities gives none below 0, and no more than 1 in sum; in open requests
        of users who do not have all items already it is 1."""
        method, queries = _fitted(make, task=task)
        if getattr(method, "probabilities", False):
            scores = method.scores(queries)
            assert (scores >= 0).all() and (scores.sum(axis=1) < 1.001).all()
            history = _log()[0]
            begin = history.offsets[queries.user]
            had = [len(set(history.item[b:e].tolist())) for b, e in zip(begin, queries.seen, strict=True)]
            open_to_all = np.array(had) < ITEMS
            assert open_to_all.any()
            if task == "open":
                np.testing.assert_allclose(scores[open_to_all].sum(axis=1), 1.0, atol=1e-3)

    @pytest.mark.parametrize("task", ["open", "given"])
    def test_queries_do_not_depend_on_those_that_follow(self, make: Make, task: str) -> None:
        """A query is answered the same whatever is asked together with it."""
        method, queries = _fitted(make, task=task)
        self.close(method.scores(queries.take(slice(0, 3))), method.scores(queries)[:3])

    def test_nothing_later_than_a_query_is_read(self, make: Make) -> None:
        """Other events after the queries change no score: the future is not known."""
        method, queries = _fitted(make)
        other, same = _fitted(make, later=7)
        changed_from = np.sort(_log()[0].time)[EVENTS * 9 // 10]
        assert queries.time.max() < changed_from and (queries.time == same.time).all()
        self.close(method.scores(queries), other.scores(same))

    def test_to_learn_nothing_changes_nothing(self, make: Make) -> None:
        """Learning no events leaves the scores as they were."""
        method, queries = _fitted(make)
        before = method.scores(queries)
        method.learn(np.empty(0, np.int64))
        self.close(method.scores(queries), before)
