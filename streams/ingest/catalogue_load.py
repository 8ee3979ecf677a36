"""A catalogue into a store, in an order that can be stopped anywhere and run again.

1. The whitening is fitted on its texts, if the store has none, and kept; so are those of pictures and sounds.
2. What changed is written, in the order of the rows.
3. What the catalogue lacks is removed, if it is the whole one: when all of it is in the store, not before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from encoders.media import MediaResult, Modality
from encoders.prepare import item_text
from encoders.progress import from_totals
from sinks.points import PLACEHOLDER
from streams.events.event import ItemRow
from streams.files.catalogue_rows import CatalogueRows
from streams.ingest.catalogue import FIT_TEXTS
from streams.ingest.catalogue_plan import PAGE, CataloguePlan
from streams.ingest.intake import Intake
from streams.workspace.vector_space import MOST_TO_FIT

MOST_COLLISIONS = 1000
"""Rows of items that are refused for another one's key, of which the ids are kept to be told."""


@dataclass(slots=True)
class CatalogueLoaded:
    """What was done."""

    encoded: int = 0
    """distinct texts that went through the model, for the whitening or for vectors"""
    written: int = 0
    """items"""
    rewritten: int = 0
    """of these, those whose text is as it was"""
    media: dict[Modality, Counter[MediaResult]] = field(default_factory=dict)
    """what became of the pictures and sounds of items with a new content"""
    media_encoded: int = 0
    """distinct pictures and sounds that went through a model"""
    removed: int = 0
    collided: int = 0
    """rows that were refused, since another item has their id's key"""
    collisions: list[tuple[str, str]] = field(default_factory=list)
    """ids of the first of these, and of the items that have their keys"""


def write_catalogue(
    intake: Intake,
    rows: CatalogueRows,
    plan: CataloguePlan,
    on_text: Callable[[int], None] | None = None,
    on_row: Callable[[int], None] | None = None,
) -> CatalogueLoaded:
    """Do what the plan says; returns after the store acknowledged it.

    on_text, on_row: get the texts that were encoded and the rows that were written, each since the last call.
    """
    done = CatalogueLoaded()
    space, writer = intake.workspace.space, intake.catalogue
    before, media_before = space.content.encoded, space.media_encoded
    try:
        if not space.is_fitted:
            chosen = rows.text_rows(FIT_TEXTS)
            texts = [
                item_text(row.title, row.description) for _, batch in rows.batches(chosen) for row in batch
            ]
            writer.fit_texts(texts, None if on_text is None else from_totals(on_text))
        for name in space.modalities:
            if not space.is_media_fitted(name):
                writer.fit_media(name, _media_rows(rows, name))
        for _, batch in rows.batches(plan.changed):
            counts = writer.upsert(batch, on_row, on_text)
            done.written += counts.encoded + counts.reused
            done.rewritten += counts.rewritten
            for name, results in counts.media.items():
                done.media.setdefault(name, Counter()).update(results)
            done.collided += len(counts.collisions)
            done.collisions += [
                (item_id, owner)
                for _, item_id, owner in counts.collisions[: MOST_COLLISIONS - len(done.collisions)]
            ]
    finally:
        space.release()
    done.encoded = space.content.encoded - before
    done.media_encoded = space.media_encoded - media_before
    done.removed = _remove(intake, plan)
    return done


def _media_rows(rows: CatalogueRows, name: Modality) -> list[ItemRow]:
    """Rows with a picture or sound, evenly over the catalogue: their bytes would not all fit into memory."""
    step = max(1, len(rows) // MOST_TO_FIT)
    found = []
    for first, batch in rows.batches():
        for number, row in enumerate(batch, first):
            if number % step == 0 and (row.image if name == "image" else row.audio) is not None:
                found.append(row)
    return found


def _remove(intake: Intake, plan: CataloguePlan) -> int:
    """Items that were to be removed and are still of a catalogue; by their whole ids."""
    removed = 0
    for start in range(0, len(plan.removed), PAGE):
        records = intake.store.items.read(plan.removed[start : start + PAGE].tolist())
        ids = [record.item_id for record in records if record is not None and record.content != PLACEHOLDER]
        intake.catalogue.delete(ids)
        removed += len(ids)
    return removed
