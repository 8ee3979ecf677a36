"""The items of a log, where rankers look for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinks.item_filter import AttributeTest
from streams.learning.history import History
from streams.serving.analytic_ranker import SAMPLE, ItemSample
from transfer.arrays import F32, I64, U64, Bool
from transfer.codes import NONE


class LogItems:
    """Items of a log: those that have an event in it, or some of them. They belong where `History.item_scenario` says."""

    def __init__(self, history: History, vectors: F32, codes: I64 | None = None) -> None:
        """vectors (N, D): of all items of the history. codes: of those that compete, ascending; None: all with an event."""
        self.codes: I64 = (
            np.unique(history.item[history.item != NONE]).astype(np.int64) if codes is None else codes
        )
        """(C,) ascending; `nearest` has the items in this order"""
        self._keys: U64 = history.item_keys[self.codes]
        self._vectors: F32 = vectors[self.codes]
        self._item_scenario = history.item_scenario[self.codes]
        self._scenarios = {name: code for code, name in enumerate(history.scenarios)}
        self._with_items = set(np.unique(self._item_scenario).tolist()) - {NONE}
        self._order = np.argsort(self._keys)

    def scope(self, scenario: str | None) -> str | None:
        """The scenario itself if any items belong there."""
        return (
            scenario if scenario is not None and self._scenarios.get(scenario) in self._with_items else None
        )

    def inside(self, keys: U64, scope: str | None) -> Bool:
        """(O,) which of these are there, and in the scope."""
        places = self._places(keys)
        is_known: Bool = self._keys[places] == keys
        return (
            is_known if scope is None else is_known & (self._item_scenario[places] == self._scenarios[scope])
        )

    def nearest(
        self,
        queries: F32,
        scopes: Sequence[str | None],
        own: Sequence[U64],
        k: int,
        tests: Sequence[AttributeTest] = (),
    ) -> tuple[U64, F32]:
        """All items, whatever `k` is; those of a log have no attributes that tests could be about."""
        if tests:
            raise ValueError("items of a log have no attributes")
        cosines = queries @ self._vectors.T
        for row, (scope, mine) in enumerate(zip(scopes, own, strict=True)):
            if scope is not None:
                cosines[row, self._item_scenario != self._scenarios[scope]] = -np.inf
            cosines[row, self._places(mine)[self.inside(mine, None)]] = -np.inf
        return self._keys, cosines

    def sample(self) -> ItemSample:
        """The same rule as a store's."""
        lowest = self._order[:SAMPLE]
        return ItemSample(self._keys[lowest], self._vectors[lowest], len(self._keys))

    def lookup(self, keys: U64) -> tuple[F32, I64]:
        """(K, D) vectors, zeros for items that are not there, and (K,) zeros: for `ItemReader.bind`."""
        vectors: F32 = np.where(
            self.inside(keys, None)[:, None], self._vectors[self._places(keys)], np.float32(0)
        )
        return vectors, np.zeros(len(keys), np.int64)

    def _places(self, keys: U64) -> I64:
        found = np.searchsorted(self._keys, keys, sorter=self._order)
        places: I64 = self._order[np.minimum(found, len(self._order) - 1)]
        return places
