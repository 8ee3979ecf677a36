"""A log with topic, partition and offset columns, and the Kafka sources that its rows come from.

With the identities of those sources known, a row is the same event as its record in the topic: it carries the record's
source and offset, so that replay and daemon recognise what the other has applied, at the same time too, and a daemon continues
where the log ends. That takes offsets that rise from row to row, since a user's mark is a highest offset. Rows of a log in
another order keep their own source; of those, what the store has already is left out, and the sources' progress is raised
when all are in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streams.errors import LogError
from streams.event_log.positions import Partition, Positions, RowPositions
from streams.events.columns import EventColumns, take_events


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a Kafka source is in a store."""

    identity: str
    start: int | None = None
    """the offset from which on it was read; None where nothing of it was"""
    next: int = 0
    """everything from `start` to before it is in the store"""
    by_log: bool = False
    """it came there by a log, after which offsets may be missing"""


@dataclass(frozen=True, slots=True)
class StreamShare:
    """What of a log is under Kafka's sources; decided before its first row is applied, and kept with its facts."""

    marked: bool
    """rows carry the source and offset of their records"""
    partitions: Mapping[Partition, tuple[str, int, int]]
    """identity, and the offsets from `since` on that are the source's. Those before `until` were in the store already; for
    marked rows that is seen by the source itself."""

    def about(self) -> dict[str, Any]:
        """For JSON."""
        listed = [[*partition, *kept] for partition, kept in sorted(self.partitions.items())]
        return {"marked": self.marked, "partitions": listed}

    @classmethod
    def of_about(cls, about: Mapping[str, Any]) -> StreamShare:
        """What `about` gave."""
        return cls(
            bool(about["marked"]),
            {
                (str(topic), int(number)): (str(identity), int(since), int(until))
                for topic, number, identity, since, until in about["partitions"]
            },
        )


def share_of(
    name: str,
    positions: Positions,
    standings: Mapping[Partition, Standing],
    before: StreamShare | None = None,
    *,
    begun: bool = False,
) -> StreamShare:
    """How the rows of a log belong to Kafka's sources, as the store knows these now.

    Args:
        name: of the log, for errors.
        standings: of its partitions; one that is left out is not there (any longer), and its rows are the log's own.
        before: what was decided when a part of the log was applied; that stays.
        begun: rows of the log were applied already, as its own if nothing was decided.

    Raises:
        LogError: records between what the daemon has read and the log's first row would be passed over, or the log has
            grown by offsets that don't rise.
    """
    marked = positions.ascending and not positions.without and not begun
    if before is not None:
        marked = before.marked
        if marked and not (positions.ascending and not positions.without):
            raise LogError(
                f"{name}: its offsets rose from row to row when it was replayed, but not since it has grown; replay the new "
                "rows as a file of their own"
            )
    partitions = {} if before is None else dict(before.partitions)
    for partition, standing in standings.items():
        first = positions.first[partition]
        if partition in partitions:
            identity, since, _ = partitions[partition]
            partitions[partition] = identity, since, max(since, standing.next)
        elif standing.start is None:
            partitions[partition] = standing.identity, first, first
        elif first > standing.next and not standing.by_log:
            topic, number = partition
            raise LogError(
                f"{name}: begins at offset {first} of topic {topic}, partition {number}, and the daemon has read it up to "
                f"{standing.next}: what lies between would never be read. Let the daemon read up to there first (run --drain), "
                "or leave out --broker and take what is in both to be counted twice"
            )
        else:
            partitions[partition] = standing.identity, standing.start, standing.next
    return StreamShare(marked, partitions)


def under_kafka(
    columns: EventColumns, positions: RowPositions, share: StreamShare
) -> tuple[EventColumns, dict[str, int]]:
    """The events as Kafka's sources have them, and of each such source the offset after its last event here.

    columns: (B,) events of a log; positions: (B,) of the same.
    """
    codes, partitions = positions.partitions()
    source, sources = columns.source.copy(), list(columns.sources)
    offset = columns.offset.copy()
    kept = np.ones(len(columns), np.bool_)
    ends: dict[str, int] = {}
    for code, partition in enumerate(partitions):
        if partition not in share.partitions:
            continue
        identity, since, until = share.partitions[partition]
        rows = np.flatnonzero((codes == code) & (positions.offset >= since))
        if not len(rows):
            continue
        if not share.marked:
            kept[rows[positions.offset[rows] < until]] = False
            continue
        source[rows] = len(sources)
        sources.append(identity)
        offset[rows] = positions.offset[rows]
        ends[identity] = int(positions.offset[rows].max()) + 1
    if len(sources) == len(columns.sources) and kept.all():
        return columns, ends
    return take_events(replace(columns, source=source, sources=sources, offset=offset), kept), ends
