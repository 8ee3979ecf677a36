"""Per-user watermarks: how far each source has been applied to a user, kept in the user's own point.

A source is an ordered origin of events: a partition of a topic, a log file, a letter that is sent again. In a watermark it
stands under its number in the store's registry, as text; points of earlier releases have its name there, and are
recognised by it. Since a watermark is written together with the state, whatever is read again after a crash is
recognised, however far back.

A mark is dropped only where it says no more than the store does of the source as a whole: all events below the source's
progress are in the store, whosever they are (`streams.ingest.source_numbers`). So a point keeps marks of what is under
way, not of every log that was ever read; and both are looked at to judge an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sinks.tombstones import SINCE
from streams.events.columns import EventColumns
from transfer.arrays import I64, Bool

_NEVER = -(2**63)

Watermark = dict[str, int]
SourceKeys = tuple[str, ...]
"""Under what a source may stand in a watermark: its number, which is written, then its names of earlier releases."""


def kafka_source(cluster: str, topic: str, partition: int) -> str:
    """Name of a topic-partition as a source; the cluster is in it since a new broker counts offsets from 0 again."""
    return f"{cluster}/{topic}/{partition}"


def redelivered(
    columns: EventColumns,
    watermarks: Sequence[Watermark],
    keys: Sequence[SourceKeys],
    finished: Mapping[str, int],
) -> Bool:
    """Which events are in the store: (B,) bool.

    Args:
        watermarks: one per row of columns.users.
        keys: one per row of columns.sources.
        finished: by a source's number, as text, the next offset that is not in the store yet.
    """
    pair, of_event = _pairs(columns)
    count = len(keys)
    marks = np.array(
        [watermarks[code // count].get(keys[code % count][0], -1) for code in pair.tolist()], np.int64
    )
    for source, (_, *older) in enumerate(keys):
        for name in older:
            rows = np.flatnonzero(pair % count == source)
            found = [watermarks[code // count].get(name, -1) for code in pair[rows].tolist()]
            marks[rows] = np.maximum(marks[rows], found)
    floor = np.array([finished.get(number, 0) - 1 for number, *_ in keys], np.int64)
    marks = np.maximum(marks, floor[pair % max(1, count)])
    mask: Bool = columns.offset <= marks[of_event]
    return mask


def unwanted(columns: EventColumns, watermarks: Sequence[Watermark]) -> Bool:
    """Which events may not be applied, (B,) bool: those of a time up to which their users were forgotten.

    watermarks: one per row of columns.users; see `sinks.tombstones.SINCE`.
    """
    if not any(SINCE in mark for mark in watermarks):
        return np.zeros(len(columns), np.bool_)
    since = np.array([mark.get(SINCE, _NEVER) for mark in watermarks], np.int64)
    mask: Bool = np.floor(columns.time * 1e6) <= since[columns.user]
    return mask


def advanced(
    columns: EventColumns,
    watermarks: Sequence[Watermark],
    keys: Sequence[SourceKeys],
    finished: Mapping[str, int],
) -> list[Watermark]:
    """The users' watermarks after these events, new dicts, without what `finished` makes needless; arguments as `redelivered`.

    finished: by whatever a source may stand under.
    """
    pair, of_event = _pairs(columns)
    highest = np.full(len(pair), -1, np.int64)
    np.maximum.at(highest, of_event, columns.offset)
    result = [
        {key: offset for key, offset in mark.items() if offset >= finished.get(key, 0)} for mark in watermarks
    ]
    count = len(keys)
    for code, offset in zip(pair.tolist(), highest.tolist(), strict=True):
        mark, names = result[code // count], keys[code % count]
        mark[names[0]] = max(offset, *(mark.pop(name, -1) for name in names))
    return result


def _pairs(columns: EventColumns) -> tuple[I64, I64]:
    """Distinct (user, source) codes, and the row of each event's."""
    code = columns.user.astype(np.int64) * max(1, len(columns.sources)) + columns.source
    pair, inverse = np.unique(code, return_inverse=True)
    return pair, inverse.reshape(-1).astype(np.int64)
