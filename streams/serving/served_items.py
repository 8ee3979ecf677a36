"""All items of a store with the counts, as a trained model's mixture ranks them; read once in a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sinks.errors import StoreMismatch
from sinks.points import ItemRecord
from sinks.protocols import Store
from streams.counts.counts import read_counts
from streams.workspace.workspace import Workspace
from transfer.arrays import I32, U64
from transfer.codes import NONE, OPEN
from transfer.counts.counts import ItemCounts
from transfer.item_scenarios import item_scenarios
from transfer.learned.item_index import ItemIndex
from transfer.learned.model import LearnedModel

AT_A_TIME = 1000
REFRESH_S = 60.0
"""New items and fresh counts are seen within so long by a process that goes on recommending."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Items and counts of one moment; `items[code]` is the item of a code."""

    space: ItemIndex
    """items belong where their events are, as in an evaluation (`transfer.item_scenarios`)"""
    by_catalogue: ItemIndex
    """the same, items as the catalogue says: for requests in a scenario that no event knows"""
    items: Sequence[ItemRecord]

    def asked(self, scenario: str | None) -> tuple[ItemIndex, int]:
        """The space for a request, and the code in it of the scenario that it names.

        OPEN for none, for one that nothing is known of, and for one without items where items belong to scenarios.
        """
        if scenario is None or scenario not in self.space.scenarios:
            return self.space, OPEN
        space = self.space if scenario in self.space.counts.scenarios else self.by_catalogue
        code = space.scenarios.index(scenario)
        return space, code if len(space.members(code)) else OPEN

    def scenario_of(self, code: int, space: ItemIndex) -> str:
        """The item's scenario in a space of `asked`; where that is silent, the one by the catalogue; "" for none."""
        scenario = int(space.item_scenario[code])
        return space.scenarios[scenario] if scenario >= 0 else self.items[code].scenario


class ServedItems:
    """Reads all items of a store into memory, a kilobyte each. Thread-safe."""

    def __init__(
        self, store: Store, model: LearnedModel, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Served | None = None
        self._read_at = -np.inf

    @classmethod
    def of(cls, workspace: Workspace) -> ServedItems:
        """Those of a store that a trained model made."""
        if not isinstance(workspace.model, LearnedModel):
            raise TypeError("only a trained model ranks all items at once")
        return cls(workspace.store, workspace.model)

    def get(self) -> Served:
        """The items as of at most `REFRESH_S` ago.

        Raises:
            StoreMismatch: the counts are not those that the mixture was trained with.
        """
        with self._lock:
            if self._held is None or self._clock() - self._read_at > REFRESH_S:
                self._held, self._read_at = self._read(), self._clock()
            return self._held

    def _read(self) -> Served:
        counts = read_counts(self._store)
        wanted = self._model.mixture_config
        if wanted is not None and counts.horizons != wanted.shares:
            raise StoreMismatch(
                f"the model was trained with shares at {wanted.shares} half-lives, the store counts {counts.horizons}; "
                "set [counts] as for the training and replay the log"
            )
        items = [item for page in self._store.items.scan(AT_A_TIME, with_vectors=True) for item in page]
        keys = np.array([item.key for item in items], np.uint64)
        dim = self._model.interest.dim
        base = np.array([item.vector for item in items], np.float32).reshape(len(items), dim)
        names = (*counts.scenarios, *sorted({item.scenario for item in items} - {"", *counts.scenarios}))
        code = {name: position for position, name in enumerate(names)}
        by_catalogue = np.array([code.get(item.scenario, NONE) for item in items], np.int32)
        towers = self._model.towers(keys, base)
        space = ItemIndex(
            keys, towers, np.arange(len(keys)), _item_scenarios(counts, keys, by_catalogue), names, counts
        )
        return Served(space, replace(space, item_scenario=by_catalogue), items)


def _item_scenarios(counts: ItemCounts, keys: U64, by_catalogue: I32) -> I32:
    """By the events that were counted; while they know one scenario at most, by the catalogue."""
    if len(counts.scenarios) < 2:
        return by_catalogue
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], counts.items), max(len(order) - 1, 0))
    known = keys[order][place] == counts.items if len(order) else np.zeros(len(counts.items), np.bool_)
    rows = np.flatnonzero(known[counts.share_item])
    return item_scenarios(
        order[place][counts.share_item[rows]],
        counts.share_scenario[rows],
        counts.share_counts[rows, counts.horizons - 1],
        by_catalogue,
        counts.scenarios,
    )
