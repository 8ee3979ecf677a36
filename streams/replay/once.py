"""Exports that overlap: events that an earlier log holds, or an earlier row, are left out of a replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sinks.protocols import Sources
from streams.errors import LogError
from streams.event_log.log import Log, LogBatch
from streams.event_log.seen_events import SeenEvents
from streams.event_log.sources import LogFacts, LogOnce, Segment
from transfer.arrays import I64


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What is done about rows that other logs hold, too, where a log is no whole of what is known.

    what: "refuse" the log; "once": of two events with one event id, or equal in all fields, apply the one that comes first;
    "count" all of them. after: with "once", a log that is older than the one that is replayed, and is in the store; None:
    nothing but the log's own earlier rows.
    """

    what: Literal["refuse", "once", "count"] = "refuse"
    after: Log | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Fingerprints of the files of `after`."""
        if self.after is None:
            return ()
        return tuple(self.after.fingerprint_of(number) for number in range(len(self.after.files)))


class FirstEvents:
    """Which events of a log that is replayed are to be applied."""

    def __init__(self, log: Log, shared: SharedRows) -> None:
        self._log = log
        self._seen = SeenEvents() if shared.what == "once" else None
        if self._seen is not None and shared.after is not None:
            for batch in shared.after:
                self._seen.first(batch.columns)

    def rows(self, batch: LogBatch) -> I64 | None:
        """Those rows of the batch's events that are met first; None: all.

        Rows that are in the store already are read, too: what follows may repeat them.
        """
        if self._seen is None:
            return None
        if batch.known:
            for part in _read_again(self._log, batch):
                self._seen.first(part.columns)
            return None
        return np.flatnonzero(self._seen.first(batch.columns))


def note_once(facts: Mapping[str, LogFacts], shared: SharedRows, sources: Sources) -> dict[str, LogFacts]:
    """Note with each source that is not done yet how it is replayed; the facts as they are then.

    Raises:
        LogError: what is left of a source was begun otherwise: what was left out so far would be applied from here on.
        StoreUnavailable: call again.
    """
    known = sources.numbers(list(facts))
    progress = sources.progress(known.values())
    noted = dict(facts)
    for identity, one in facts.items():
        reached = progress[known[identity]]
        if one.once is not None and reached < one.once.rows:
            if shared.what != "once" or set(one.once.after) - set(shared.names):
                logs = " and the same logs with --after" if one.once.after else ""
                raise LogError(
                    f"the replay of {one.name} was begun with --once and was stopped; go on with --once{logs}, or what was "
                    "left out would be counted twice"
                )
        elif shared.what == "once" and reached < one.rows:
            noted[identity] = replace(one, once=LogOnce(one.rows, shared.names))
            sources.describe(identity, noted[identity].about())
    return noted


def _read_again(log: Log, batch: LogBatch) -> Iterator[LogBatch]:
    number = next(number for number, file in enumerate(log.files) if file.path == batch.path)
    segment = Segment(batch.file_row, batch.file_row + batch.rows, batch.source)
    yield from log.part(number, segment)
