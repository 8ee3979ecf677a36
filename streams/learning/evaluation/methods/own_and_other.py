"""Own items mixed with another method: the strong baselines of logs where people come back to items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from streams.learning.evaluation.methods.base import DecayClock, Method, Setup, Tunable, profiles
from streams.learning.evaluation.methods.ease import Ease
from streams.learning.evaluation.methods.interactions import row_shares
from streams.learning.evaluation.methods.markov import Markov
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.popularity import PopularityOfAWeek
from streams.learning.evaluation.methods.validation import Validation, best_choice
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_OWN = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_USUAL = 0.8
_KEPT = 4


class OwnAndOther:
    """w * (share of the user's own decayed sums) + (1 - w) * (the other method's share of all items).

    Shares are what is not negative, divided by its sum, so that both parts are distributions over items. The other
    method's own settings are chosen when it is fitted, by the mixture's value on validation; the half-life of own items
    (out of those that are best without the other method) and w are what the runner tries. A user without own items gets
    the other part alone.
    """

    name = "own+other"
    probabilities = True

    def __init__(self, other: Method) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self._other = other
        self._half_life: float | None = None
        self._by: DecayClock = "time"
        self._own = 0.5
        self._asked: tuple[Queries, F32] | None = None

    def set(self, *, half_life: float | None, by: DecayClock, own: float) -> None:
        """Half-life of own items and their weight (`own`)."""
        self._half_life, self._by, self._own = half_life, by, own

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Fit the other method and choose its settings; own items have nothing to fit."""
        self._history = history
        self._other.fit(history, rows, validation)
        judge = Validation(history, rows, validation)
        half_lives = self._promising(half_life_grid(history, rows), judge)
        if isinstance(self._other, Tunable) and len(self._other.grid):
            other = self._other
            # One after the other, from own items alone to the other's settings: together they are too many to try.
            self.set(**half_lives[0], own=_USUAL)

            def value(params: Mapping[str, Any]) -> float:
                other.set(**params)
                self._asked = None
                return judge.mean(self.scores)

            other.set(**best_choice(other.grid, value))
            self._asked = None
        self.grid = [{**params, "own": own} for params in half_lives for own in _OWN]

    def learn(self, rows: I64) -> None:
        """The other method learns."""
        self._asked = None
        self._other.learn(rows)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 shares of the mixture."""
        # The runner asks the same queries with one setting after the other.
        if self._asked is None or self._asked[0] is not queries:
            self._asked = (queries, positive_shares(self._other.scores(queries)))
        own = self._own_shares(queries, self._half_life, self._by)
        result = self._asked[1] * np.float32(1 - self._own)
        owner = np.repeat(np.arange(len(queries)), np.diff(own.indptr))
        result[owner, own.indices] += np.float32(self._own) * own.data
        return result

    def _promising(self, half_lives: Sequence[Mapping[str, Any]], judge: Validation) -> list[dict[str, Any]]:
        """The best half-lives by own items alone, the best one first, and those between it and its neighbours."""

        def value(params: Mapping[str, Any]) -> float:
            return judge.mean(lambda queries: self._own_shares(queries, **params).toarray())

        ranked = sorted(half_lives, key=value, reverse=True)[:_KEPT]  # stable: of equal ones the first
        first = ranked[0]
        finer = (
            []
            if first["half_life"] is None
            else [{**first, "half_life": first["half_life"] * factor} for factor in (0.5, 2.0)]
        )
        return [dict(params) for params in [*ranked, *finer]]

    def _own_shares(self, queries: Queries, half_life: float | None, by: DecayClock) -> csr_array:
        return row_shares(profiles(self._history, queries, half_life, by, since="latest", tail=TAIL))


class OwnAndMarkov(OwnAndOther):
    """Own items and what followed the last basket's items."""

    name = "own+markov"

    def __init__(self, setup: Setup) -> None:
        super().__init__(Markov(setup))


class OwnAndEase(OwnAndOther):
    """Own items and EASE."""

    name = "own+ease"

    def __init__(self, setup: Setup) -> None:
        super().__init__(Ease(setup))


class OwnAndPopularityOfAWeek(OwnAndOther):
    """Own items and the counts of the last seven days."""

    name = "own+popularity-7d"

    def __init__(self, setup: Setup) -> None:
        super().__init__(PopularityOfAWeek(setup))


def positive_shares(scores: F32) -> F32:
    """Each row's positive part divided by its sum, (Q, N) float32; a row without one stays 0.

    >>> positive_shares(np.array([[1.0, -2.0, 3.0], [0.0, -1.0, 0.0]], np.float32)).tolist()
    [[0.25, 0.0, 0.75], [0.0, 0.0, 0.0]]
    """
    kept = np.maximum(scores, np.float32(0))
    total = kept.sum(axis=1, keepdims=True)
    result: F32 = np.divide(kept, total, out=kept, where=total > 0)
    return result
