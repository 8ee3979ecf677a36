"""Fallback: what is popular, for users of whom a method knows nothing; one and the same for all methods of a run.

So that what they are worth for cold users compares methods, and not what each happens to do without anything to go by (ties,
popularity of all time). The trained model and the analytic one answer such users by the same rule (`transfer.popular`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.learning.evaluation.methods.base import Method, Refitted, Setup, Tunable
from streams.learning.evaluation.methods.log_counts import LogCounts
from streams.learning.evaluation.methods.log_items import LogItems
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.training.popular_choice import PopularChoice, choose_popular
from streams.serving.popular import CountedPopular
from transfer.arrays import F32, I64, Bool
from transfer.codes import OPEN
from transfer.popular import PopularRule
from transfer.rows import positions_in

CHOICE = "popular"
"""In `Setup.shared`, with the log and the end of its validation part: the chosen shares."""


class Fallback:
    """A method, with what is popular in the place of its scores where a user has no earlier event or all scores are equal."""

    def __init__(self, method: Method, setup: Setup) -> None:
        self.name = method.name
        self.probabilities = bool(getattr(method, "probabilities", False))
        self.grid: Sequence[Mapping[str, Any]] = ()
        self._method = method
        self._setup = setup

    @property
    def curve(self) -> Sequence[tuple[float, float]]:
        """The method's; empty where it has none."""
        return getattr(self._method, "curve", ())

    @property
    def edges(self) -> Sequence[str]:
        """The method's; empty where it has none."""
        return getattr(self._method, "edges", ())

    @property
    def tried(self) -> Sequence[Mapping[str, Any]]:
        """All settings that the method has tried, if its grid is but a part of them."""
        return getattr(self._method, "tried", ())

    def set(self, **params: Any) -> None:
        """Settings of the method."""
        assert isinstance(self._method, Tunable)
        self._method.set(**params)

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Fit the method; what is popular is chosen once a run, on all that comes before the test."""
        self._method.fit(history, rows, validation)
        self.grid = self._method.grid if isinstance(self._method, Tunable) else ()
        self._history = history
        self._counts = LogCounts(history, rows, self._setup.settings.counts)
        rule = chosen_rule(self._setup, history, rows, validation)
        items = LogItems(history, np.zeros((len(history.items), 1), np.float32))
        self._popular = CountedPopular(self._counts.get, items, rule, most=None)
        self._order = np.argsort(history.item_keys)

    def learn(self, rows: I64) -> None:
        """Both learn."""
        self._method.learn(rows)
        self._counts.learn(rows)

    def refit(self) -> None:
        """The method, if it is one that is fitted again."""
        if isinstance(self._method, Refitted):
            self._method.refit()

    def scores(self, queries: Queries) -> F32:
        """The method's (Q, N), and shares of what is popular where it has nothing to say."""
        found = self._method.scores(queries)
        silent = (queries.seen == self._history.offsets[queries.user]) | _alike(found)
        if not silent.any():
            return found
        result = found.copy()
        names = self._history.scenarios
        for scenario in np.unique(queries.scenario[silent]).tolist():
            rows = np.flatnonzero(silent & (queries.scenario == scenario))
            keys, shares = self._popular.popular(None if scenario == OPEN else names[scenario])
            if not len(keys):
                continue
            answer = np.zeros(found.shape[1], np.float32)
            answer[positions_in(self._history.item_keys, keys, self._order)] = shares
            result[rows] = answer
        return result


def chosen_rule(setup: Setup, history: History, rows: I64, validation: Queries) -> PopularRule:
    """By all events before the test: those of `rows` and of the validation part."""
    end = float(validation.time.max()) if len(validation) else -np.inf
    key = (CHOICE, history.identity, len(rows), end)
    held: PopularChoice | None = setup.shared.get(key)
    if held is None:
        known = np.union1d(rows, query_rows(history, validation))
        known = known[np.argsort(history.time[known], kind="stable")]
        held = setup.shared[key] = choose_popular(history, known, setup.settings.counts)
    return held.rule


def query_rows(history: History, queries: Queries) -> I64:
    """All rows of the queries' baskets."""
    starts = np.append(history.basket_starts, len(history))
    basket = np.searchsorted(starts, queries.seen)
    sizes = starts[basket + 1] - starts[basket]
    ends = np.cumsum(sizes)
    if not len(ends):
        return np.zeros(0, np.int64)
    return np.unique(np.arange(ends[-1]) + np.repeat(starts[basket] - (ends - sizes), sizes))


def _alike(scores: F32) -> Bool:
    """(Q,) whether all scores that are numbers are equal."""
    finite = np.isfinite(scores)
    most = np.where(finite, scores, -np.inf).max(axis=1, initial=-np.inf)
    least = np.where(finite, scores, np.inf).min(axis=1, initial=np.inf)
    alike: Bool = most <= least
    return alike
