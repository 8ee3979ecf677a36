"""Per-user watermarks: how far each source has been applied to a user, kept in the user's own point.

A source is a topic-partition of one cluster ("cluster/topic/partition") or one set of log files (their fingerprint). Since
a watermark is written together with the state, whatever is read again after a crash is recognised, however far back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.columns import EventColumns

MAX_SOURCES = 16
"""Sources remembered per user; the least recently used is dropped, so that daily logs don't grow the point for ever."""

Watermark = dict[str, int]


def kafka_source(cluster: str, topic: str, partition: int) -> str:
    """Name of a topic-partition as a source; the cluster is in it since a new broker counts offsets from 0 again."""
    return f"{cluster}/{topic}/{partition}"


def redelivered(columns: EventColumns, watermarks: Sequence[Watermark]) -> npt.NDArray[np.bool_]:
    """Which events are at or below their user's watermark: (B,) bool. watermarks: one per row of columns.users."""
    pair, of_event = _pairs(columns)
    sources = columns.sources
    count = len(sources)
    marks = np.array(
        [watermarks[code // count].get(sources[code % count], -1) for code in pair.tolist()], dtype=np.int64
    )
    mask: npt.NDArray[np.bool_] = columns.offset <= marks[of_event]
    return mask


def advanced(columns: EventColumns, watermarks: Sequence[Watermark]) -> list[Watermark]:
    """The users' watermarks after these events, new dicts; one per row of columns.users."""
    pair, of_event = _pairs(columns)
    highest = np.full(len(pair), -1, np.int64)
    np.maximum.at(highest, of_event, columns.offset)
    result = [dict(mark) for mark in watermarks]
    count = len(columns.sources)
    for code, offset in zip(pair.tolist(), highest.tolist(), strict=True):
        mark, source = result[code // count], columns.sources[code % count]
        mark[source] = max(
            offset, mark.pop(source, -1)
        )  # popped: a dict keeps order, the last is the latest used
        while len(mark) > MAX_SOURCES:
            del mark[next(iter(mark))]
    return result


def _pairs(columns: EventColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct (user, source) codes, and the row of each event's."""
    code = columns.user.astype(np.int64) * max(1, len(columns.sources)) + columns.source
    pair, inverse = np.unique(code, return_inverse=True)
    return pair, inverse.reshape(-1).astype(np.int64)
