"""What is popular among the items that compete, by the counts: of a store or a log, or of an index that a mixture ranks by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from streams.serving.analytic_ranker import AnalyticItems
from transfer.arrays import F64, U64
from transfer.codes import OPEN
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts
from transfer.counts.reading import CodedCounts
from transfer.popular import PopularRule, Shares, popular_among

MOST = 1000
"""Items that are looked for in a store, where a scenario limits them."""


class PopularItems(Protocol):
    """What is popular among the items that compete."""

    def popular(self, scenario: str | None) -> tuple[U64, F64]:
        """Keys (P,) and shares (P,) above 0 of items, of those of the scenario if one is named and items belong to it; all of
        such a scenario alike where none of its items was ever counted. None where nothing was counted at all."""
        ...


class CountedPopular:
    """By counts as they are now, among the items that a search is about."""

    def __init__(
        self,
        counts: Callable[[], ItemCounts],
        items: AnalyticItems,
        rule: PopularRule,
        most: int | None = MOST,
    ) -> None:
        """rule: says which half-lives. most: of the most popular items, how many are looked for where a scenario limits them;
        None: all that were counted."""
        self._counts = counts
        self._items = items
        self._rule = rule
        self._most = most
        self._held: tuple[ItemCounts, dict[str | None, tuple[U64, F64]]] | None = None

    def popular(self, scenario: str | None) -> tuple[U64, F64]:
        """As `PopularItems` says."""
        counts = self._counts()
        held = self._held
        if held is None or held[0] is not counts:
            self._held = held = counts, {}
        found = held[1].get(scenario)
        if found is None:
            found = held[1][scenario] = self._found(counts, scenario)
        return found

    def _found(self, counts: ItemCounts, scenario: str | None) -> tuple[U64, F64]:
        coded = CodedCounts(counts, counts.items, counts.scenarios)
        code = counts.scenarios.index(scenario) if scenario in counts.scenarios else OPEN
        everywhere = Shares(coded.open_shares, coded.totals())
        here = None if code == OPEN else Shares(coded.shares(code), coded.totals(code))
        shares = popular_among(everywhere, here, self._rule)
        chosen = np.flatnonzero(shares > 0)
        scope = self._items.scope(scenario)
        if scope is not None:
            if self._most is not None:
                chosen = chosen[np.argsort(-shares[chosen], kind="stable")[: self._most]]
            chosen = chosen[self._items.inside(counts.items[chosen], scope)]
            if not len(chosen):
                return self._all_alike(scope)
        return counts.items[chosen], shares[chosen]

    def _all_alike(self, scope: str) -> tuple[U64, F64]:
        """Items of a scenario of which none was ever taken."""
        anywhere = self._items.sample().vectors[:1]
        if not len(anywhere):
            return np.zeros(0, np.uint64), np.zeros(0)
        found, cosines = self._items.nearest(anywhere, [scope], [np.zeros(0, np.uint64)], MOST)
        found = found[np.isfinite(cosines[0])]
        return found, np.full(len(found), 1 / max(len(found), 1))


def rule_of(half_life_s: float | None, counts: CountsConfig, events: float = 0.0) -> PopularRule:
    """By debuts at the half-life of the counts that is nearest to the one that is wanted, None: the usual one.

    >>> rule_of(2e6, CountsConfig()).column
    6
    """
    if half_life_s is None:
        return PopularRule(events=events, events_given=events)
    lives = np.minimum(counts.half_lives, 1e12)
    nearest = len(lives) + int(np.abs(np.log2(lives / min(half_life_s, 1e12))).argmin())
    return PopularRule(column=nearest, column_given=nearest, events=events, events_given=events)
