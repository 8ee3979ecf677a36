"""Catalogue rows into the items collection; no content is encoded twice, also across restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encoders.media import Media, MediaResult, Modality
from encoders.media_config import MediaConfig
from encoders.prepare import item_text
from encoders.progress import OnProgress, from_totals
from sinks.attributes import same_attributes
from sinks.collection import in_parts
from sinks.point_stores import ItemStore
from sinks.points import WITHOUT_TEXT, ItemPoints, ItemRecord, item_key
from streams.events.event import ItemRow
from streams.ingest.item_media import LocatedByModality, located_media
from streams.metrics import Metrics
from streams.workspace.vector_space import VectorSpace
from transfer.arrays import F32, U64, Bool

ROWS_AT_A_TIME = 2000
MEDIA_ROWS_AT_A_TIME = 500
"""Rows with pictures or sounds take longer, and what is written is done with."""
FIT_TEXTS = 50_000
"""Distinct texts that a whitening is fitted on, at most: enough for 128 directions, and bounded in time."""


@dataclass(slots=True)
class CatalogueCounts:
    """What became of the items. encoded + reused counts those that were written."""

    items: int = 0
    encoded: int = 0
    """distinct texts that went through the model"""
    reused: int = 0
    """items that were written with a vector that was known: of another item, or their own"""
    rewritten: int = 0
    """of these, those whose text is as it was: title, scenario or attributes are others"""
    unchanged: int = 0
    deleted: int = 0
    media: dict[Modality, Counter[MediaResult]] = field(default_factory=dict)
    """what became of the pictures and sounds of items with a new content"""
    collisions: list[tuple[int, str, str]] = field(default_factory=list)
    """rows that were refused, since another item has their id's key: number of the row, its id, the other id"""


class CatalogueWriter:
    """Writes items; the first catalogue decides the whitening."""

    def __init__(
        self, items: ItemStore, space: VectorSpace, metrics: Metrics, limits: MediaConfig | None = None
    ) -> None:
        """limits: of pictures and sounds."""
        self._items = items
        self._space = space
        self._metrics = metrics
        self._limits = limits or MediaConfig()

    def fit(self, rows: Sequence[ItemRow], progress: OnProgress | None = None) -> bool:
        """Fit the whitening on a whole catalogue, unless the store has one. False where there was nothing to do."""
        texts = dict.fromkeys(item_text(row.title, row.description) for row in rows)
        distinct = [text for text in texts if text]
        if len(distinct) > FIT_TEXTS:
            step = len(distinct) / FIT_TEXTS  # evenly over the catalogue, which may be sorted
            distinct = [distinct[int(position * step)] for position in range(FIT_TEXTS)]
        return self.fit_texts(distinct, progress)

    def fit_texts(self, texts: Sequence[str], progress: OnProgress | None = None) -> bool:
        """Fit the whitening on these distinct texts, unless the store has one. False where there was nothing to do.

        Their vectors are held until the vector space is told to `release` them.
        """
        if self._space.is_fitted or not texts:
            return False
        before = self._space.content.encoded
        self._space.fit(texts, progress)
        self._metrics.items.labels("encoded").inc(self._space.content.encoded - before)
        return True

    def upsert(
        self,
        rows: Sequence[ItemRow],
        progress: Callable[[int], None] | None = None,
        on_text: Callable[[int], None] | None = None,
    ) -> CatalogueCounts:
        """Write the rows in parts; returns after the store acknowledged them. Of several rows of one item the last counts.

        `progress` gets the rows done, `on_text` the texts that went through the model, each since its last call.
        """
        counts = CatalogueCounts()
        last = {row.item_id: number for number, row in enumerate(rows)}
        size = MEDIA_ROWS_AT_A_TIME if self._space.modalities else ROWS_AT_A_TIME
        for numbers in in_parts(sorted(last.values()), size):
            with located_media([rows[number] for number in numbers], self._space, self._limits) as located:
                self._encode_ahead([rows[number] for number in numbers], located)
                with self._space.lock:
                    self._upsert_part(rows, numbers, located, counts, on_text)
            if progress is not None:
                progress(len(numbers))
        return counts

    def fit_media(self, name: Modality, rows: Sequence[ItemRow], progress: OnProgress | None = None) -> None:
        """Decide the whitening of a modality on these rows' pictures or sounds, unless the store has one."""
        if not self._space.is_media_fitted(name):
            with located_media(rows, self._space, self._limits) as located:
                self._space.fit_media(name, located[name], progress)

    def _encode_ahead(self, rows: Sequence[ItemRow], located: LocatedByModality) -> None:
        """Encode pictures and sounds that will be asked for. It takes long, and nobody else should wait for it: the space is
        not locked, and the vectors are kept by the encoders."""
        if not any(isinstance(one, Media) for each in located.values() for one in each):
            return
        for name, each in located.items():
            self._space.fit_media(name, each)
        texts = [item_text(row.title, row.description) for row in rows]
        keys = np.array([item_key(row.item_id) for row in rows], np.uint64)
        contents = self._space.fingerprints(keys, texts, located)
        stored = self._items.read(keys.tolist())
        fresh = [
            row
            for row, (content, record) in enumerate(zip(contents, stored, strict=True))
            if record is None or record.content != content
        ]
        known = self._items.contents(sorted({contents[row] for row in fresh} - {WITHOUT_TEXT}))
        fresh = [row for row in fresh if contents[row] not in known]
        self._space.encode_media({name: list(_pick(each, fresh)) for name, each in located.items()})

    def delete(self, item_ids: Sequence[str]) -> None:
        """Take items out of the catalogue; users' states keep what they learned from them."""
        if item_ids:
            keys = [item_key(item_id) for item_id in item_ids]
            with self._space.lock:
                self._items.delete_named(item_ids)
                self._space.forget(keys)
            self._metrics.items.labels("deleted").inc(len(keys))

    def _upsert_part(
        self,
        every: Sequence[ItemRow],
        numbers: Sequence[int],
        located: LocatedByModality,
        counts: CatalogueCounts,
        on_text: Callable[[int], None] | None,
    ) -> None:
        """The rows with these numbers."""
        rows = [every[number] for number in numbers]
        texts = [item_text(row.title, row.description) for row in rows]
        keys = np.array([item_key(row.item_id) for row in rows], np.uint64)
        contents = self._space.fingerprints(keys, texts, located)
        stored = self._items.read(keys.tolist())
        changed = [
            position
            for position, (row, content, record) in enumerate(zip(rows, contents, stored, strict=True))
            if not is_same(row, content, record)
        ]
        counts.items += len(rows)
        counts.unchanged += len(rows) - len(changed)
        self._metrics.items.labels("unchanged").inc(len(rows) - len(changed))
        known = {at: record.item_id for at in changed if (record := stored[at]) is not None}
        changed = _ours(rows, changed, known, numbers, counts)
        if not changed:
            return
        read = rows
        rows, texts, contents = (list(_pick(values, changed)) for values in (rows, texts, contents))
        keys = keys[changed]
        pairs = zip(_pick(stored, changed), contents, strict=True)
        own = np.array(
            [record is not None and record.content == content for record, content in pairs], np.bool_
        )
        located = {name: list(_pick(each, changed)) for name, each in located.items()}
        changed_rows = _Changed(rows, keys, texts, contents, located)
        vectors, encoded = self._vectors(changed_rows, own, counts, on_text)
        owners = self._items.write(
            ItemPoints(
                item_ids=[row.item_id for row in rows],
                vectors=vectors,
                titles=[row.title for row in rows],
                scenarios=[row.scenario for row in rows],
                contents=contents,
                searched=self._space.searched(keys, vectors),
                attributes=[row.attributes for row in rows],
            )
        )
        written = _ours(read, changed, dict(zip(changed, owners, strict=True)), numbers, counts)
        kept = np.isin(changed, written)
        self._space.cache(keys[kept], vectors[kept])
        encoded = min(encoded, len(written))
        counts.encoded += encoded
        counts.reused += len(written) - encoded
        counts.rewritten += int(own[kept].sum())
        self._metrics.items.labels("encoded").inc(encoded)
        self._metrics.items.labels("reused").inc(len(written) - encoded)

    def _vectors(
        self,
        changed: _Changed,
        own: Bool,
        counts: CatalogueCounts,
        on_text: Callable[[int], None] | None,
    ) -> tuple[F32, int]:
        """(N, D) vectors, and the number of distinct texts that went through the model for them.

        own: (N,) whether the item had its vector already, a moment ago.
        """
        rows, keys, contents = changed.rows, changed.keys, changed.contents
        vectors = np.empty((len(rows), self._space.dim), np.float32)
        there = np.flatnonzero(own)
        missing = dict.fromkeys(np.flatnonzero(~own).tolist())
        records = self._items.read(keys[there].tolist(), with_vectors=True)
        for position, record in zip(there.tolist(), records, strict=True):
            if record is None or record.vector is None or record.content != contents[position]:
                missing[position] = None
            else:
                vectors[position] = record.vector
        known = self._items.contents(sorted({contents[position] for position in missing} - {WITHOUT_TEXT}))
        fresh = []
        for position in missing:
            if contents[position] in known:
                vectors[position] = known[contents[position]]
            else:
                fresh.append(position)
        before = self._space.content.encoded
        if fresh:
            encoded = self._space.encode_media(
                {name: list(_pick(each, fresh)) for name, each in changed.located.items()}
            )
            vectors[fresh] = self._space.items(
                [rows[position].item_id for position in fresh],
                keys[fresh],
                [changed.texts[position] for position in fresh],
                None if on_text is None else from_totals(on_text),
                encoded,
            )
            for name, done in encoded.items():
                counts.media.setdefault(name, Counter()).update(done.results)
                for result, number in Counter(done.results).items():
                    self._metrics.media.labels(name, result).inc(number)
        return vectors, self._space.content.encoded - before


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    """Rows to write, with what their vectors are made of."""

    rows: Sequence[ItemRow]
    keys: U64
    texts: Sequence[str]
    contents: Sequence[str]
    located: LocatedByModality


def _ours(
    rows: Sequence[ItemRow],
    positions: Sequence[int],
    owners: Mapping[int, str],
    numbers: Sequence[int],
    counts: CatalogueCounts,
) -> list[int]:
    """Those of the positions whose row's own id has its key, as far as `owners` tells; the others are noted as collisions."""
    kept = []
    for at in positions:
        item_id, owner = rows[at].item_id, owners.get(at)
        if owner is None or owner == item_id:
            kept.append(at)
        else:
            counts.collisions.append((numbers[at], item_id, owner))
    return kept


def is_same(row: ItemRow, content: str, record: ItemRecord | None) -> bool:
    """Whether the store has the row as it is; content: the fingerprint of what its vector is made of."""
    if record is None:
        return False
    stored = (record.item_id, record.title, record.scenario, record.content)
    if stored != (row.item_id, row.title, row.scenario, content):
        return False
    return same_attributes(row.attributes, record.attributes)


def _pick(values: Sequence[Any], positions: Sequence[int]) -> Iterator[Any]:
    return (values[position] for position in positions)
