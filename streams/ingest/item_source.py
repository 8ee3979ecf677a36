"""Vectors of the items that events name: from memory, else the store, else behaviour, else a deterministic stand-in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from encoders.vector_cache import ItemVectorCache
from encoders.vectorizer import ItemVectorizer
from sinks.points import PLACEHOLDER, ItemPoints, item_key
from sinks.protocols import Store
from streams.metrics import Metrics
from transfer.arrays import F32, U64


class ItemSource:
    """Looks items up in three steps and keeps what it finds.

    An item that no catalogue has told of yet gets the vector of its behaviour, if a fitted encoder has met it, else the
    unit vector that its id determines; and a placeholder point, so that it can be recommended again. When the catalogue
    brings it, later events use its content.
    """

    def __init__(
        self,
        store: Store,
        space: ItemVectorizer,
        memory: ItemVectorCache,
        metrics: Metrics,
        now: Callable[[], float],
        searched: Callable[[U64, F32], F32 | None],
    ) -> None:
        """searched: keys and base vectors to what items are searched by; see `streams.workspace.transfer_model`."""
        self._searched = searched
        self._store = store
        self._space = space
        self._memory = memory
        self._metrics = metrics
        self._now = now

    def vectors(self, item_ids: Sequence[str]) -> tuple[U64, F32]:
        """Keys (I,) uint64 and vectors (I, D) float32 of the items."""
        now = self._now()
        keys = np.array([item_key(item_id) for item_id in item_ids], np.uint64)
        vectors, known = self._memory.get(keys, now)
        missing = np.flatnonzero(~known)
        self._metrics.cache.labels("items", "hit").inc(len(keys) - len(missing))
        self._metrics.cache.labels("items", "miss").inc(len(missing))
        if not len(missing):
            return keys, vectors
        records = self._store.items.read(keys[missing].tolist(), with_vectors=True)
        unseen: list[int] = []
        for row, record in zip(missing.tolist(), records, strict=True):
            if record is None or record.vector is None:
                unseen.append(row)
                continue
            vectors[row] = record.vector
            self._memory.put(
                keys[row : row + 1], vectors[row : row + 1], now, provisional=record.content == PLACEHOLDER
            )
        if unseen:
            ids = [item_ids[row] for row in unseen]
            vectors[unseen], met = self._space.unseen(ids, keys[unseen])
            self._store.items.add(
                ItemPoints(
                    item_ids=ids,
                    vectors=vectors[unseen],
                    titles=[""] * len(ids),
                    # Not where it was met: that may be a page, to which no item belongs.
                    scenarios=[""] * len(ids),
                    contents=[PLACEHOLDER] * len(ids),
                    searched=self._searched(keys[unseen], vectors[unseen]),
                )
            )
            self._memory.put(keys[unseen], vectors[unseen], now, provisional=True)
            self._metrics.unseen_items.inc(int((~met).sum()))
        return keys, vectors
