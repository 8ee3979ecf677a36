"""Own items mixed with another method: the strong baselines of logs where people come back to items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from streams.learning.evaluation.families import ALL, FAMILIES, Family, best_of_each, edges_of
from streams.learning.evaluation.methods.base import DecayClock, Method, Refitted, Setup, Tunable, profiles
from streams.learning.evaluation.methods.ease import Ease
from streams.learning.evaluation.methods.half_life_search import distinct
from streams.learning.evaluation.methods.interactions import row_shares
from streams.learning.evaluation.methods.markov import Markov
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.popularity import PopularityOfAWeek
from streams.learning.evaluation.methods.validation import Validation, around
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_OWN = (0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995)
_USUAL = 0.8
_KEPT = 4


class OwnAndOther:
    """w * (share of the user's own decayed sums) + (1 - w) * (the other method's share of all items).

    Shares are what is not negative, divided by its sum, so that both parts are distributions over items. The other
    method's own settings are chosen when it is fitted, by the mixture's value on validation, for each slice family: where own
    items are taken out only they matter. The half-life of own items (out of those that are best without the other method) and w
    (out of those near the best) are what the runner tries. A user without own items gets the other part alone.

    At the test it knows every strictly earlier event of the user, and what the other method knows.
    """

    name = "own+other"
    probabilities = True

    def __init__(self, other: Method) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self.tried: Sequence[Mapping[str, Any]] = []
        self.edges: Sequence[str] = ()
        self._other = other
        self._half_life: float | None = None
        self._by: DecayClock = "time"
        self._own = 0.5
        self._set: Mapping[str, Any] | None = None
        self._asked: tuple[Queries, F32] | None = None

    def set(
        self, *, half_life: float | None, by: DecayClock, own: float, other: Mapping[str, Any] | None = None
    ) -> None:
        """Half-life of own items, their weight (`own`), and the other method's settings."""
        self._half_life, self._by, self._own = half_life, by, own
        if other is not None and other != self._set:
            assert isinstance(self._other, Tunable)
            self._other.set(**other)
            self._set, self._asked = other, None

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Fit the other method and choose its settings; own items have nothing to fit."""
        self._history = history
        self._other.fit(history, rows, validation)
        self._set = self._asked = None
        judge = Validation(history, rows, validation)
        every = half_life_grid(history, rows)
        half_lives = self._promising(every, judge)
        chosen = self._chosen(judge, half_lives[0], _USUAL)
        weights = [{**half_lives[0], "own": own, **chosen[ALL]} for own in _OWN]
        best = int(np.argmax(judge.each(self, weights)[ALL]))
        if abs(best - _OWN.index(_USUAL)) > 1:
            # Where own items weigh little, or nearly all, the other method is best with other settings.
            chosen = self._chosen(judge, half_lives[0], _OWN[best])
            weights = [{**params, **chosen[ALL]} for params in weights]
            best = int(np.argmax(judge.each(self, weights)[ALL]))
        near = around(_OWN, best)
        grid = [{**params, "own": own, **chosen[ALL]} for params in half_lives for own in near]
        # Without own items neither their half-life nor their weight changes an order.
        self.grid = [*grid, *({**weights[0], **one} for one in distinct(chosen)[1:])]
        self.tried = [*every, *half_lives, *({"own": own} for own in _OWN)]
        self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """The other method learns."""
        self._asked = None
        self._other.learn(rows)

    def refit(self) -> None:
        """The other method is fitted again, if it is fitted as a whole."""
        self._asked = None
        if isinstance(self._other, Refitted):
            self._other.refit()

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

    def _chosen(
        self, judge: Validation, half_life: Mapping[str, Any], own: float
    ) -> dict[Family, dict[str, Any]]:
        """The other method's settings for each family beside own items of this weight, as `set` takes them; empty where it has
        none."""
        if not (isinstance(self._other, Tunable) and len(self._other.grid)):
            return {family: {} for family in FAMILIES}
        # One after the other, from own items alone to the other's settings: together they are too many to try.
        grid = [dict(params) for params in self._other.grid]
        found = judge.each(self, [{**half_life, "own": own, "other": params} for params in grid])
        best = best_of_each(grid, found)
        self.edges = edges_of(getattr(self._other, "tried", None) or grid, best)
        return {family: {"other": params} for family, params in best.items()}

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
