"""A replayed log's items beside the catalogue that the store has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sinks.point_stores import ItemStore
from sinks.points import PLACEHOLDER, item_key
from streams.files.catalogue_overlap import CatalogueOverlap, overlap_of

AT_A_TIME = 1000
MOST_PAGES = 20
"""Keys are hashes, so a few pages of items are a fair sample: one without any item of a catalogue tells that there is none."""


def overlap_with_store(log_ids: Iterable[str], items: ItemStore) -> CatalogueOverlap | None:
    """How many of the log's items a catalogue has brought to the store; None where none has brought any."""
    ids = list(log_ids)
    described = sum(
        sum(_described(ids[start : start + AT_A_TIME], items)) for start in range(0, len(ids), AT_A_TIME)
    )
    known: list[str] = []
    for number, page in enumerate(items.scan(AT_A_TIME)):
        known += [item.item_id for item in page if item.content != PLACEHOLDER]
        if known or number == MOST_PAGES:
            break
    if not known and not described:
        return None
    return overlap_of(ids, described, known, lambda some: _described(some, items))


def _described(ids: Sequence[str], items: ItemStore) -> list[bool]:
    records = items.read([item_key(item_id) for item_id in ids])
    return [
        record is not None and record.content != PLACEHOLDER and record.item_id == item_id
        for item_id, record in zip(ids, records, strict=True)
    ]
