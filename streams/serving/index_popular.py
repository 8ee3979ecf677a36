"""What is popular among the items of an index, by its counts: what a trained model's new visitors get."""

from __future__ import annotations

import numpy as np

from streams.serving.mixture_ranker import MixtureItems
from transfer.arrays import F64, U64
from transfer.codes import OPEN
from transfer.learned.item_index import ItemIndex
from transfer.popular import PopularRule, Shares, popular_among


class IndexPopular:
    """See `streams.serving.popular.PopularItems`."""

    def __init__(self, items: MixtureItems, rule: PopularRule) -> None:
        self._items = items
        self._rule = rule
        self._held: tuple[ItemIndex, dict[int, tuple[U64, F64]]] | None = None

    def popular(self, scenario: str | None) -> tuple[U64, F64]:
        """As `PopularItems` says; every candidate that was ever counted."""
        ((index, code),) = self._items.asked([scenario])
        held = self._held
        if held is None or held[0] is not index:
            self._held = held = index, {}
        found = held[1].get(code)
        if found is None:
            members = index.members(code)
            everywhere = Shares(index.shares()[members], index.totals())
            here = None if code == OPEN else Shares(index.member_shares(code).shares, index.totals(code))
            shares = popular_among(everywhere, here, self._rule)
            if code != OPEN and not shares.any():
                shares = np.full(len(members), 1 / max(len(members), 1))
            there = np.flatnonzero(shares > 0)
            found = held[1][code] = index.keys[members[there]], shares[there]
        return found
