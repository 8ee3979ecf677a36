"""All that is known of a few users' events, from topics and logs, each event once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

import numpy as np

from sinks.points import user_point_id
from sinks.protocols import Sources
from streams.broker.config import BrokerConfig
from streams.event_log.log import LogBatch
from streams.events.columns import EventColumns, concatenate, take_events
from streams.events.record_clock import RecordClock
from streams.ingest.record_decoders import RecordDecoders
from streams.repair.known_records import scan_known
from streams.topics.slot import TopicSlot
from streams.wire.record_batch import RecordBatch

_REMEMBERED: Final = 1_000_000


class UserHistory:
    """Collects the events of those users whose points have these ids.

    What two inputs both hold counts once: an event is known by its id, or by all that it says.
    """

    def __init__(self, points: Set[str], clock: RecordClock, decoders: RecordDecoders) -> None:
        self._points = points
        self._clock = clock
        self._decoders = decoders
        self._is_meant: dict[str, bool] = {}
        self._parts: list[EventColumns] = []
        self.cut: list[str] = []
        """topics of which the first records are gone"""

    def add(self, columns: EventColumns) -> int:
        """Take those events that are of the users; how many."""
        meant = np.array([self._meant(user) for user in columns.users], bool)
        if not meant.any():
            return 0
        kept = take_events(columns, meant[columns.user])
        self._parts.append(kept)
        return len(kept)

    def add_logs(self, batches: Iterable[LogBatch]) -> int:
        """Take all of a log."""
        return sum(self.add(batch.columns) for batch in batches)

    def add_topics(
        self, broker: BrokerConfig, slots: Mapping[str, TopicSlot], sources: Sources, cluster: str
    ) -> int:
        """Take what the topics still hold of what is in the store, by its progress; what follows comes by the daemon.

        slots: of each topic of events.
        """
        count = 0

        def take(topic: str, identity: str, records: Sequence[Any]) -> None:
            nonlocal count
            decoded = self._decoders.events(slots[topic]).decode(
                RecordBatch.fetched(records, topic),
                offsets=[record.offset for record in records],
                source=identity,
                now=self._clock.references(topic, records[0].partition, records),
            )
            count += self.add(decoded.columns)

        self.cut += scan_known(broker, list(slots), sources, cluster, take)
        return count

    def events(self) -> EventColumns:
        """Each event once, in order of time."""
        joined = concatenate(self._parts)
        if not len(joined):
            return joined
        order = np.argsort(joined.time, kind="stable")
        pairs = np.stack([joined.user[order].astype(np.uint64), joined.key[order]], axis=1)
        _, once = np.unique(pairs, axis=0, return_index=True)
        return take_events(joined, order[np.sort(once)])

    def _meant(self, user: str) -> bool:
        known = self._is_meant.get(user)
        if known is None:
            if len(self._is_meant) > _REMEMBERED:
                self._is_meant.clear()
            known = self._is_meant[user] = user_point_id(user) in self._points
        return known
