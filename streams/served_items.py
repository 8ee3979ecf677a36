"""All items of a store with the tables, as a trained model's mixture ranks them; read once in a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sinks.errors import StoreMismatch
from sinks.points import ItemRecord
from sinks.protocols import Store
from streams.item_tables import read_tables
from transfer.learned.model import LearnedModel
from transfer.learned.space import ItemSpace

AT_A_TIME = 1000
REFRESH_S = 60.0
"""New items and fresh counts are seen within so long by a process that goes on recommending."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Items and tables of one moment; `items[code]` is the item of a code."""

    space: ItemSpace
    items: Sequence[ItemRecord]


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

    def get(self) -> Served:
        """The items as of at most `REFRESH_S` ago.

        Raises:
            StoreMismatch: the tables are not those that the mixture was trained with.
        """
        with self._lock:
            if self._held is None or self._clock() - self._read_at > REFRESH_S:
                self._held, self._read_at = self._read(), self._clock()
            return self._held

    def _read(self) -> Served:
        tables = read_tables(self._store)
        wanted = self._model.mixture_config
        if wanted is not None and tables.horizons != wanted.shares:
            raise StoreMismatch(
                f"the model was trained with shares at {wanted.shares} half-lives, the store counts {tables.horizons}; "
                "set [tables] as for the training and replay the log"
            )
        items = [item for page in self._store.items.scan(AT_A_TIME, with_vectors=True) for item in page]
        keys = np.array([item.key for item in items], np.uint64)
        dim = self._model.interest.dim
        base = np.array([item.vector for item in items], np.float32).reshape(len(items), dim)
        scenarios = tuple(sorted({*tables.scenarios, *(item.scenario for item in items)} - {""}))
        code = {name: position for position, name in enumerate(scenarios)}
        home = np.array([code.get(item.scenario, -1) for item in items], np.int32)
        space = ItemSpace(keys, self._model.towers(keys, base), np.arange(len(keys)), home, scenarios, tables)
        return Served(space, items)
