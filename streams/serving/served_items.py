"""All items of a store with the counts, as a trained model's mixture ranks them; reread from time to time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sinks.errors import StoreMismatch
from sinks.protocols import Store
from streams.counts.counts import read_counts
from streams.serving.refreshed import Refreshed
from transfer.arrays import F32, I32, U64
from transfer.codes import NONE
from transfer.counts.counts import ItemCounts
from transfer.item_scenarios import item_scenarios
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import DeclaredPowers
from transfer.learned.model import LearnedModel
from transfer.rows import positions_in

AT_A_TIME = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Items and counts of one moment."""

    index: ItemIndex
    """items belong where their events are, as in an evaluation (`transfer.item_scenarios`)"""
    by_catalogue: ItemIndex
    """the same, items as the catalogue says: for requests in a scenario that no event knows"""

    def asked(self, scenarios: Sequence[str | None]) -> list[tuple[ItemIndex, int]]:
        """As `ItemIndex.asked`, by the catalogue's words where events do not know the scenario."""
        counted = {None, *self.index.counts.scenarios}
        catalogue = set(self.by_catalogue.scenarios) - counted
        return [
            (self.by_catalogue if name in catalogue else self.index).asked([name])[0] for name in scenarios
        ]


class ServedItems:
    """Reads all items of a store into memory."""

    def __init__(self, store: Store, model: LearnedModel) -> None:
        self._store = store
        self._model = model
        self._held = Refreshed(self._read)

    def asked(self, scenarios: Sequence[str | None]) -> list[tuple[ItemIndex, int]]:
        """As `Served.asked`, as of a minute ago at most.

        Raises:
            StoreMismatch: the counts are not those that the mixture was trained with.
        """
        return self._held.get().asked(scenarios)

    def _read(self) -> Served:
        counts = read_counts(self._store.blobs)
        wanted = self._model.mixture_config
        if wanted is not None and counts.horizons != wanted.shares:
            raise StoreMismatch(
                f"the model was trained with shares at {wanted.shares} half-lives, the store counts {counts.horizons}; "
                "set [counts] as for the training and replay the log"
            )
        keys, towers, base, scenarios = self._items()
        names = (*counts.scenarios, *sorted({*scenarios} - {"", *counts.scenarios}))
        code = {name: position for position, name in enumerate(names)}
        by_catalogue = np.array([code.get(name, NONE) for name in scenarios], np.int32)
        belongs = _item_scenarios(counts, keys, by_catalogue)
        index = ItemIndex(keys, towers, np.arange(len(keys)), belongs, names, counts, base).prepared()
        return Served(index, index.placed(by_catalogue))

    def _items(self) -> tuple[U64, F32, F32 | None, list[str]]:
        """Keys, ascending, in which requests find theirs at once; towers; base vectors, if the mixture compares declared
        interests with them; scenarios by the catalogue."""
        keys: list[U64] = [np.zeros(0, np.uint64)]
        vectors: list[F32] = [np.zeros((0, self._model.interest.dim), np.float32)]
        scenarios: list[str] = []
        for page in self._store.items.scan(AT_A_TIME, with_vectors=True):
            keys.append(np.array([item.key for item in page], np.uint64))
            vectors.append(np.array([item.vector for item in page], np.float32))
            scenarios += [sys.intern(item.scenario) for item in page]
        key = np.concatenate(keys)
        base = np.concatenate(vectors)
        tower = self._model.towers(key, base)
        order = np.argsort(key, kind="stable")
        wanted = self._model.mixture_config
        compared = wanted is not None and wanted.declared != DeclaredPowers()
        named = [scenarios[row] for row in order.tolist()]
        return key[order], tower[order], base[order] if compared else None, named


def _item_scenarios(counts: ItemCounts, keys: U64, by_catalogue: I32) -> I32:
    """By the events that were counted; while they know one scenario at most, by the catalogue."""
    if len(counts.scenarios) < 2:
        return by_catalogue
    place = positions_in(keys, counts.items, np.argsort(keys))
    rows = np.flatnonzero(place[counts.share_item] != NONE)
    return item_scenarios(
        place[counts.share_item[rows]],
        counts.share_scenario[rows],
        counts.share_counts[rows, counts.horizons - 1],
        by_catalogue,
        counts.scenarios,
    )
