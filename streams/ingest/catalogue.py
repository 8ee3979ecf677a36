"""Catalogue rows into the items collection; no content is encoded twice, also across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encoders.prepare import item_text
from sinks.point_stores import ItemStore
from sinks.points import WITHOUT_TEXT, ItemPoints, ItemRecord, item_key
from streams.events.event import ItemRow
from streams.metrics import Metrics
from streams.workspace.vector_space import VectorSpace
from transfer.arrays import F32, U64

ROWS_AT_A_TIME = 2000
FIT_TEXTS = 50_000
"""Distinct texts that a whitening is fitted on, at most: enough for 128 directions, and bounded in time."""


@dataclass(slots=True)
class CatalogueCounts:
    """What became of the rows. encoded + reused counts rows whose vector was written again."""

    items: int = 0
    encoded: int = 0
    reused: int = 0
    unchanged: int = 0
    deleted: int = 0
    collisions: list[tuple[int, str, str]] = field(default_factory=list)
    """rows that were refused, since another item has their id's key: number of the row, its id, the other id"""


class CatalogueWriter:
    """Writes items; the first catalogue decides the whitening."""

    def __init__(self, items: ItemStore, space: VectorSpace, metrics: Metrics) -> None:
        self._items = items
        self._space = space
        self._metrics = metrics

    def fit(self, rows: Sequence[ItemRow], progress: Callable[[int], None] | None = None) -> bool:
        """Fit the whitening on a whole catalogue, unless the store has one. False where there was nothing to do."""
        if self._space.is_fitted:
            return False
        texts = dict.fromkeys(item_text(row.title, row.description) for row in rows)
        distinct = [text for text in texts if text]
        if not distinct:
            return False
        if len(distinct) > FIT_TEXTS:
            step = len(distinct) / FIT_TEXTS  # evenly over the catalogue, which may be sorted
            distinct = [distinct[int(position * step)] for position in range(FIT_TEXTS)]
        self._space.fit(distinct, progress)
        return True

    def upsert(
        self, rows: Sequence[ItemRow], progress: Callable[[int], None] | None = None
    ) -> CatalogueCounts:
        """Write the rows in parts; returns after the store acknowledged them. `progress` gets the rows done."""
        counts = CatalogueCounts()
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            part = rows[start : start + ROWS_AT_A_TIME]
            with self._space.lock:
                self._upsert_part(part, start, counts)
            if progress is not None:
                progress(len(part))
        return counts

    def delete(self, item_ids: Sequence[str]) -> None:
        """Take items out of the catalogue; users' states keep what they learned from them."""
        if item_ids:
            keys = [item_key(item_id) for item_id in item_ids]
            with self._space.lock:
                self._items.delete_named(item_ids)
                self._space.forget(keys)
            self._metrics.items.labels("deleted").inc(len(keys))

    def _upsert_part(self, rows: Sequence[ItemRow], first: int, counts: CatalogueCounts) -> None:
        """first: number of the first of the rows."""
        texts = [item_text(row.title, row.description) for row in rows]
        keys = np.array([item_key(row.item_id) for row in rows], np.uint64)
        contents = self._space.fingerprints(keys, texts)
        stored = self._items.read(keys.tolist())
        changed = [
            position
            for position, (row, content, record) in enumerate(zip(rows, contents, stored, strict=True))
            if not _same(row, content, record)
        ]
        counts.items += len(rows)
        counts.unchanged += len(rows) - len(changed)
        self._metrics.items.labels("unchanged").inc(len(rows) - len(changed))
        known = {at: record.item_id for at in changed if (record := stored[at]) is not None}
        changed = _ours(rows, changed, known, first, counts)
        if not changed:
            return
        every = rows
        rows, texts, contents = (list(_pick(values, changed)) for values in (rows, texts, contents))
        keys = keys[changed]
        vectors, encoded = self._vectors(rows, keys, texts, contents)
        owners = self._items.write(
            ItemPoints(
                item_ids=[row.item_id for row in rows],
                vectors=vectors,
                titles=[row.title for row in rows],
                scenarios=[row.scenario for row in rows],
                contents=contents,
                searched=self._space.searched(keys, vectors),
            )
        )
        written = _ours(every, changed, dict(zip(changed, owners, strict=True)), first, counts)
        kept = np.isin(changed, written)
        self._space.cache(keys[kept], vectors[kept])
        encoded = min(encoded, len(written))
        counts.encoded += encoded
        counts.reused += len(written) - encoded
        self._metrics.items.labels("encoded").inc(encoded)
        self._metrics.items.labels("reused").inc(len(written) - encoded)

    def _vectors(
        self,
        rows: Sequence[ItemRow],
        keys: U64,
        texts: Sequence[str],
        contents: Sequence[str],
    ) -> tuple[F32, int]:
        """(N, D) vectors, and the number of distinct texts that went through the model for them."""
        vectors = np.empty((len(rows), self._space.dim), np.float32)
        known = self._items.contents(sorted(set(contents) - {WITHOUT_TEXT}))
        before = self._space.content.encoded
        fresh = [position for position, content in enumerate(contents) if content not in known]
        if fresh:
            vectors[fresh] = self._space.items(
                [rows[position].item_id for position in fresh],
                keys[fresh],
                [texts[position] for position in fresh],
            )
        for position, content in enumerate(contents):
            if content in known:
                vectors[position] = known[content]
        return vectors, self._space.content.encoded - before


def _ours(
    rows: Sequence[ItemRow],
    positions: Sequence[int],
    owners: Mapping[int, str],
    first: int,
    counts: CatalogueCounts,
) -> list[int]:
    """Those of the positions whose row's own id has its key, as far as `owners` tells; the others are noted as collisions."""
    kept = []
    for at in positions:
        item_id, owner = rows[at].item_id, owners.get(at)
        if owner is None or owner == item_id:
            kept.append(at)
        else:
            counts.collisions.append((first + at, item_id, owner))
    return kept


def _same(row: ItemRow, content: str, record: ItemRecord | None) -> bool:
    if record is None:
        return False
    stored = (record.item_id, record.title, record.scenario, record.content)
    return stored == (row.item_id, row.title, row.scenario, content)


def _pick(values: Sequence[Any], positions: Sequence[int]) -> Iterator[Any]:
    return (values[position] for position in positions)
