"""Fields of records that were read in parts, or from two places, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streams.events.columns import Coded, recode
from streams.events.event import RejectReason
from streams.events.record_fields import RecordFields
from streams.events.times import seconds_of
from transfer.arrays import F64
from transfer.codes import NONE


def join_fields(parts: Sequence[RecordFields], rows: Sequence[Sequence[int]]) -> RecordFields:
    """All records of the parts, each at its row; a field that a part does not have is absent there."""
    count = sum(part.count for part in parts)
    texts = {name: None for part in parts for name in part.texts}
    measures = {name: None for part in parts for name in part.measures}
    event_ids: list[str | None] | None = None
    if any(part.event_ids is not None for part in parts):
        event_ids = [None] * count
        for part, places in zip(parts, rows, strict=True):
            for row, event_id in zip(places, part.event_ids or (), strict=False):
                event_ids[row] = event_id
    rejects = {
        places[at]: why for part, places in zip(parts, rows, strict=True) for at, why in part.rejects.items()
    }
    return RecordFields(
        count,
        {name: _joined([part.coded(name) for part in parts], rows, count) for name in texts},
        event_ids,
        _scattered([part.time for part in parts], rows, count),
        {name: _scattered([part.measures[name] for part in parts], rows, count) for name in measures},
        rejects,
    )


def filled_text(read: RecordFields, name: str, further: str) -> RecordFields:
    """A text where it is absent, or empty, from another one that was read."""
    codes, table = read.coded(name)
    others, other_table = read.coded(further)
    absent = codes == NONE
    if "" in table:
        absent |= codes == list(table).index("")
    absent &= others != NONE
    if not absent.any():
        return read
    codes = np.where(absent, NONE, codes)
    rows = list(range(read.count))
    joined, both = _joined([(codes, table), (others, other_table)], [rows, rows], read.count, keep_first=True)
    return replace(read, texts={**read.texts, name: (joined, both)})


def filled_event_ids(read: RecordFields, further: str) -> RecordFields:
    """Event ids where they are absent from another text that was read."""
    codes, table = read.coded(further)
    lookup: list[str | None] = [*table, None]
    found = read.event_ids if read.event_ids is not None else [None] * read.count
    filled = [event_id or lookup[code] for event_id, code in zip(found, codes.tolist(), strict=True)]
    return replace(read, event_ids=filled)


def filled_time(read: RecordFields, further: str) -> RecordFields:
    """Times where they are absent from another text that was read, ISO 8601 as envelopes have them."""
    codes, table = read.coded(further)
    seconds = [seconds_of(text, "iso") for text in table]
    parsed = np.array([np.nan if second is None else second for second in [*seconds, None]])[codes]
    absent = np.isnan(read.time)
    rejects = dict(read.rejects)
    for row in np.flatnonzero(absent & ~np.isnan(parsed)).tolist():
        if rejects.get(row, _NO_REJECT)[0] == "missing_field":
            del rejects[row]
    return replace(read, time=np.where(absent, parsed, read.time), rejects=rejects)


_NO_REJECT: tuple[RejectReason, str] = ("processing_failed", "")


def _joined(
    parts: Sequence[Coded], rows: Sequence[Sequence[int]], count: int, keep_first: bool = False
) -> Coded:
    seen: dict[str, int] = {}
    assign = seen.setdefault
    joined = np.full(count, NONE, np.int32)
    for (codes, table), places in zip(parts, rows, strict=True):
        mapping = np.array([assign(text, len(seen)) for text in table], np.int32)
        found = recode(codes, mapping) if len(mapping) else codes
        joined[places] = np.where(joined[places] == NONE, found, joined[places]) if keep_first else found
    return joined, list(seen)


def _scattered(parts: Sequence[F64], rows: Sequence[Sequence[int]], count: int) -> F64:
    joined = np.full(count, np.nan)
    for part, places in zip(parts, rows, strict=True):
        joined[places] = part
    return joined
