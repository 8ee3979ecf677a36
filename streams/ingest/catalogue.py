"""Catalogue rows into the items collection; no content is encoded twice, also across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.content import ContentEncoder
from encoders.prepare import item_text
from encoders.vector_cache import ItemVectorCache
from encoders.vectorizer import ItemVectorizer
from sinks.points import WITHOUT_TEXT, ItemPoints, ItemRecord, item_key
from sinks.protocols import Store
from streams.events.event import ItemRow
from streams.metrics import Metrics
from transfer.arrays import F32, U64

ROWS_AT_A_TIME = 2000
FIT_TEXTS = 50_000
"""Distinct texts that a whitening is fitted on, at most: enough for 128 directions, and bounded in time."""

Progress = Callable[[int], None]


@dataclass(slots=True)
class CatalogueCounts:
    """What became of the rows. encoded + reused counts rows whose vector was written anew."""

    items: int = 0
    encoded: int = 0
    reused: int = 0
    unchanged: int = 0
    deleted: int = 0


class CatalogueWriter:
    """Writes items; knows the whitening's life: fitted once on the first catalogue, kept in the store, then frozen."""

    def __init__(
        self,
        *,
        store: Store,
        content: ContentEncoder,
        space: ItemVectorizer,
        memory: ItemVectorCache,
        metrics: Metrics,
        now: Callable[[], float],
        save_whitening: Callable[[], None],
        is_fitted: Callable[[], bool],
        lock: AbstractContextManager[object],
        searched: Callable[[U64, F32], F32 | None],
    ) -> None:
        """searched: keys and base vectors to what items are searched by; see `streams.workspace.transfer_model`."""
        self._searched = searched
        self._store = store
        self._content = content
        self._space = space
        self._memory = memory
        self._metrics = metrics
        self._now = now
        self._save_whitening = save_whitening
        self._is_fitted = is_fitted
        self._lock = lock

    def fit(self, rows: Sequence[ItemRow], progress: Progress | None = None) -> bool:
        """Fit the whitening on a whole catalogue, unless the store has one. False where there was nothing to do."""
        if self._is_fitted():
            return False
        texts = dict.fromkeys(item_text(row.title, row.description) for row in rows)
        distinct = [text for text in texts if text]
        if not distinct:
            return False
        if len(distinct) > FIT_TEXTS:
            step = len(distinct) / FIT_TEXTS  # evenly over the catalogue, which may be sorted
            distinct = [distinct[int(position * step)] for position in range(FIT_TEXTS)]
        self._content.fit(distinct, progress)
        self._save_whitening()
        return True

    def upsert(self, rows: Sequence[ItemRow], progress: Progress | None = None) -> CatalogueCounts:
        """Write the rows in parts; returns after the store acknowledged them. `progress` is told rows done."""
        counts = CatalogueCounts()
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            part = rows[start : start + ROWS_AT_A_TIME]
            with self._lock:
                self._upsert_part(part, counts)
            if progress is not None:
                progress(len(part))
        return counts

    def delete(self, item_ids: Sequence[str]) -> None:
        """Take items out of the catalogue; users' states keep what they learned from them."""
        if item_ids:
            keys = [item_key(item_id) for item_id in item_ids]
            with self._lock:
                self._store.items.delete(keys)
                self._memory.discard(keys)
            self._metrics.items.labels("deleted").inc(len(keys))

    def _upsert_part(self, rows: Sequence[ItemRow], counts: CatalogueCounts) -> None:
        texts = [item_text(row.title, row.description) for row in rows]
        if any(texts):
            self._save_whitening()  # what the fingerprints below depend on
        keys = np.array([item_key(row.item_id) for row in rows], np.uint64)
        contents = self._space.fingerprints(keys, texts)
        stored = self._store.items.read(keys.tolist())
        changed = [
            position
            for position, (row, content, record) in enumerate(zip(rows, contents, stored, strict=True))
            if not _same(row, content, record)
        ]
        counts.items += len(rows)
        counts.unchanged += len(rows) - len(changed)
        self._metrics.items.labels("unchanged").inc(len(rows) - len(changed))
        if not changed:
            return
        rows, texts, contents = (list(_pick(values, changed)) for values in (rows, texts, contents))
        keys = keys[changed]
        vectors, encoded = self._vectors(rows, keys, texts, contents)
        self._store.items.write(
            ItemPoints(
                item_ids=[row.item_id for row in rows],
                vectors=vectors,
                titles=[row.title for row in rows],
                scenarios=[row.scenario for row in rows],
                contents=contents,
                searched=self._searched(keys, vectors),
            )
        )
        self._memory.put(keys, vectors, self._now())
        counts.encoded += encoded
        counts.reused += len(rows) - encoded
        self._metrics.items.labels("encoded").inc(encoded)
        self._metrics.items.labels("reused").inc(len(rows) - encoded)

    def _vectors(
        self,
        rows: Sequence[ItemRow],
        keys: npt.NDArray[np.uint64],
        texts: Sequence[str],
        contents: Sequence[str],
    ) -> tuple[npt.NDArray[np.float32], int]:
        """(N, D) vectors, and the number of distinct texts that went through the model for them."""
        vectors = np.empty((len(rows), self._space.dim), np.float32)
        known = self._store.items.contents(sorted(set(contents) - {WITHOUT_TEXT}))
        before = self._content.encoded
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
        return vectors, self._content.encoded - before


def _same(row: ItemRow, content: str, record: ItemRecord | None) -> bool:
    if record is None:
        return False
    return (row.title, row.scenario, content) == (record.title, record.scenario, record.content)


def _pick(values: Sequence[Any], positions: Sequence[int]) -> Iterator[Any]:
    return (values[position] for position in positions)
