"""What a catalogue would change in a store, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.media_config import MediaConfig
from encoders.prepare import item_text
from sinks.point_stores import ItemStore
from sinks.points import PLACEHOLDER, WITHOUT_TEXT, ItemRecord
from streams.errors import CatalogueRefused
from streams.events.event import ItemRow
from streams.files.catalogue_rows import CatalogueRows, text_digest
from streams.ingest.catalogue import is_same
from streams.ingest.item_media import LocatedByModality, located_media
from streams.workspace.vector_space import VectorSpace
from transfer.arrays import U64, Bool
from transfer.rows import positions_in

PAGE = 2000
MOST_REMOVED = 0.5
"""A larger share of the catalogue is not removed unless that is asked for."""


@dataclass(slots=True, eq=False)
class CataloguePlan:
    """What would be done with the N rows of a catalogue."""

    changed: Bool
    """(N,) rows to write"""
    new: int
    """items that the store has not, or as a placeholder alone"""
    texts_changed: int
    """items whose text is another"""
    payload_changed: int
    """items of which only title, scenario or attributes are others"""
    emptied: int
    """items that have a text in the store and none in the catalogue"""
    to_encode: int
    """distinct texts that go through the model"""
    removed: U64
    """keys of items that are in the store and not in the catalogue, if it is the whole one"""
    stored: int
    """items that a catalogue has brought to the store before"""

    def check(self, *, allow_empty: bool, agreed: bool) -> None:
        """Whether it may be done.

        Args:
            allow_empty: texts may be taken away.
            agreed: most of the items may be removed.

        Raises:
            CatalogueRefused: says how many items it is about, and what allows it.
        """
        if self.emptied and not allow_empty:
            raise CatalogueRefused(
                f"{self.emptied:,} items have a text in the store and none in the catalogue; nothing was written. If they are "
                "to lose it: --allow-empty (catalogue.allow_empty)"
            )
        if len(self.removed) > MOST_REMOVED * self.stored and not agreed:
            raise CatalogueRefused(
                f"--full would remove {len(self.removed):,} of {self.stored:,} items, which the catalogue lacks; nothing was "
                "written. If that is meant: --yes"
            )


def plan_catalogue(
    rows: CatalogueRows,
    items: ItemStore | None,
    space: VectorSpace | None,
    *,
    full: bool = False,
    progress: Callable[[int], None] | None = None,
    limits: MediaConfig | None = None,
) -> CataloguePlan:
    """Compare the rows with the store; writes nothing.

    Args:
        items, space: of the store; None where there is none yet.
        full: the rows are the whole catalogue. Placeholders of the log, and items that rejected rows name, stay.
        progress: gets the rows compared.
        limits: of pictures and sounds.

    Raises:
        CatalogueRefused: the whole catalogue has rows whose item can't be read.
    """
    if full:
        require_whole(rows)
    plan = CataloguePlan(np.ones(len(rows), np.bool_), len(rows), 0, 0, 0, 0, np.zeros(0, np.uint64), 0)
    texts = rows.texts
    if items is not None and space is not None and items.count():
        texts = _compare(plan, rows, items, space, progress, limits or MediaConfig())
        if full:
            plan.removed, plan.stored = _lacking(rows, items)
    plan.to_encode = len(np.unique(texts[texts != 0]))
    return plan


def require_whole(rows: CatalogueRows) -> None:
    """Whether it can be said what a whole catalogue lacks.

    Raises:
        CatalogueRefused: it has rows whose item can't be read.
    """
    if rows.unnamed:
        raise CatalogueRefused(
            f"--full: {rows.unnamed:,} rows have no item id that can be read, so nobody knows what the catalogue lacks; "
            "correct them, or leave --full out"
        )


def _compare(
    plan: CataloguePlan,
    rows: CatalogueRows,
    items: ItemStore,
    space: VectorSpace,
    progress: Callable[[int], None] | None,
    limits: MediaConfig,
) -> U64:
    """Fill in the plan; digests of the texts that the store does not know."""
    plan.new = 0
    unknown = [np.zeros(0, np.uint64)]
    for first, batch in rows.batches():
        for start in range(0, len(batch), PAGE):
            part = batch[start : start + PAGE]
            numbers = slice(first + start, first + start + len(part))
            keys = rows.keys[numbers]
            stored = items.read(keys.tolist())
            with located_media(part, space, limits) as media:
                contents = _contents(part, keys, space, media)
            fresh: dict[str, list[int]] = {}
            for row, content, record, number in zip(
                part, contents, stored, range(numbers.start, numbers.stop), strict=True
            ):
                plan.changed[number] = not is_same(row, content, record)
                if _compared(plan, row, content, record):
                    fresh.setdefault(content, []).append(text_digest(row))
            known = items.contents(sorted(fresh.keys() - {"", WITHOUT_TEXT}))
            unknown += [np.array(fresh[content], np.uint64) for content in fresh.keys() - known.keys()]
            if progress is not None:
                progress(len(part))
    return np.concatenate(unknown)


def _compared(plan: CataloguePlan, row: ItemRow, content: str, record: ItemRecord | None) -> bool:
    """Count one row; whether its vector is to be made."""
    if record is not None and record.item_id != row.item_id:
        return False  # another item has its key: it will be refused
    if record is None or record.content == PLACEHOLDER:
        plan.new += 1
        return True
    if content != record.content:
        plan.texts_changed += 1
        plan.emptied += not item_text(row.title, row.description)
        return True
    plan.payload_changed += not is_same(row, content, record)
    return False


def _contents(rows: Sequence[ItemRow], keys: U64, space: VectorSpace, media: LocatedByModality) -> list[str]:
    """Fingerprints; "" of texts as long as nothing decides their space."""
    texts = [item_text(row.title, row.description) for row in rows]
    if space.is_fitted or not any(texts):
        return space.fingerprints(keys, texts, media, keep=False)
    bare = space.fingerprints(keys, [""] * len(rows), media, keep=False)
    return [content if not text else "" for content, text in zip(bare, texts, strict=True)]


def _lacking(rows: CatalogueRows, items: ItemStore) -> tuple[U64, int]:
    """Keys of items of an earlier catalogue that these rows lack, and how many items a catalogue has brought in all."""
    named = np.unique(np.concatenate([rows.keys, rows.refused_keys]))
    lacking = [np.zeros(0, np.uint64)]
    stored = 0
    for page in items.scan(PAGE):
        keys = np.array([item.key for item in page if item.content != PLACEHOLDER], np.uint64)
        stored += len(keys)
        lacking.append(keys[positions_in(named, keys) < 0])
    return np.concatenate(lacking), stored
