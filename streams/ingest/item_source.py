"""Vectors of the items that events name: from memory, else the store, else behaviour, else a deterministic stand-in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinks.point_stores import ItemStore
from sinks.points import PLACEHOLDER, ItemPoints, item_key
from streams.metrics import Metrics
from streams.workspace.vector_space import VectorSpace
from transfer.arrays import F32, U64


class ItemSource:
    """Looks items up in three steps and keeps what it finds.

    An item that no catalogue has described yet gets the vector of its behaviour, if a fitted encoder has met it, else the
    unit vector that its id determines; and a placeholder point, so that it can be recommended again. When the catalogue
    brings it, later events use its content.
    """

    def __init__(self, items: ItemStore, space: VectorSpace, metrics: Metrics) -> None:
        self._items = items
        self._space = space
        self._metrics = metrics

    def vectors(self, item_ids: Sequence[str]) -> tuple[U64, F32]:
        """Keys (I,) uint64 and vectors (I, D) float32 of the items."""
        keys = np.array([item_key(item_id) for item_id in item_ids], np.uint64)
        vectors, known = self._space.cached(keys)
        missing = np.flatnonzero(~known)
        self._metrics.cache.labels("items", "hit").inc(len(keys) - len(missing))
        self._metrics.cache.labels("items", "miss").inc(len(missing))
        if not len(missing):
            return keys, vectors
        records = self._items.read(keys[missing].tolist(), with_vectors=True)
        unseen: list[int] = []
        for row, record in zip(missing.tolist(), records, strict=True):
            if record is None or record.vector is None:
                unseen.append(row)
                continue
            vectors[row] = record.vector
            self._space.cache(
                keys[row : row + 1], vectors[row : row + 1], provisional=record.content == PLACEHOLDER
            )
        if unseen:
            ids = [item_ids[row] for row in unseen]
            vectors[unseen], met = self._space.unseen(ids, keys[unseen])
            self._items.add(
                ItemPoints(
                    item_ids=ids,
                    vectors=vectors[unseen],
                    titles=[""] * len(ids),
                    # Not where it was met: that may be a page, to which no item belongs.
                    scenarios=[""] * len(ids),
                    contents=[PLACEHOLDER] * len(ids),
                    searched=self._space.searched(keys[unseen], vectors[unseen]),
                )
            )
            self._space.cache(keys[unseen], vectors[unseen], provisional=True)
            self._metrics.unseen_items.inc(int((~met).sum()))
        return keys, vectors
