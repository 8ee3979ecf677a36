"""Vectors of the items that events name: from memory, else the store, else behaviour, else a deterministic stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from sinks.point_stores import ItemStore
from sinks.points import PLACEHOLDER, ItemPoints, item_key
from streams.ingest.item_collisions import ItemIdsCollide
from streams.metrics import Metrics
from streams.workspace.vector_space import VectorSpace
from transfer.arrays import F32, U64


class ItemSource:
    """Looks items up in three steps and keeps what it finds. For one thread at a time.

    An item that no catalogue has described yet gets the vector of its behaviour, if a fitted encoder has met it, else the
    unit vector that its id determines; and a placeholder point, so that it can be recommended again. When the catalogue
    brings it, later events use its content.
    """

    def __init__(self, items: ItemStore, space: VectorSpace, metrics: Metrics) -> None:
        self._items = items
        self._space = space
        self._metrics = metrics
        self._ids: dict[int, str] = {}

    def vectors(self, item_ids: Sequence[str]) -> tuple[U64, F32]:
        """Keys (I,) uint64 and vectors (I, D) float32 of the items.

        Raises:
            ItemIdsCollide: other items have the keys of some of them. The others are kept, so that a second call without
                these is quick.
        """
        keys = np.array([item_key(item_id) for item_id in item_ids], np.uint64)
        vectors, known = self._space.cached(keys)
        # Vectors are held by key: whose they are is compared, too. Only the store is asked who owns a key.
        pairs = zip(map(self._ids.get, keys.tolist()), item_ids, strict=True)
        known &= np.fromiter((held == item_id for held, item_id in pairs), np.bool_, len(keys))
        missing = np.flatnonzero(~known)
        self._metrics.cache.labels("items", "hit").inc(len(keys) - len(missing))
        self._metrics.cache.labels("items", "miss").inc(len(missing))
        if not len(missing):
            return keys, vectors
        records = self._items.read(keys[missing].tolist(), with_vectors=True)
        unseen: list[int] = []
        owners: dict[str, str] = {}
        for row, record in zip(missing.tolist(), records, strict=True):
            if record is None or record.vector is None:
                unseen.append(row)
                continue
            owners[item_ids[row]] = record.item_id
            if record.item_id != item_ids[row]:
                continue
            vectors[row] = record.vector
            self._space.cache(
                keys[row : row + 1], vectors[row : row + 1], provisional=record.content == PLACEHOLDER
            )
        if unseen:
            ids = [item_ids[row] for row in unseen]
            vectors[unseen], met = self._space.unseen(ids, keys[unseen])
            added = self._items.add(
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
            owners |= zip(ids, added, strict=True)
            kept = np.array(unseen)[[owner == item_id for item_id, owner in zip(ids, added, strict=True)]]
            self._space.cache(keys[kept], vectors[kept], provisional=True)
            self._metrics.unseen_items.inc(int((~met).sum()))
        self._remember(item_ids, keys, owners)
        collided = {item_id: owner for item_id, owner in owners.items() if owner != item_id}
        if collided:
            raise ItemIdsCollide(collided)
        return keys, vectors

    def _remember(self, item_ids: Sequence[str], keys: U64, owners: Mapping[str, str]) -> None:
        for item_id, key in zip(item_ids, keys.tolist(), strict=True):
            if item_id in owners:
                self._ids.pop(key, None)  # so that it is the latest one
                self._ids[key] = owners[item_id]
        surplus = len(self._ids) - self._space.held_at_most
        for key in list(islice(self._ids, max(0, surplus))):
            del self._ids[key]
