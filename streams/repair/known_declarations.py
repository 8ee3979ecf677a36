"""What users declared, from the topics of profiles and from dead letters."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from sinks.points import user_point_id
from sinks.protocols import Sources
from streams.broker.config import BrokerConfig
from streams.events.declaration import DecodedDeclarations, UserDeclaration, decode_declarations
from streams.events.record_clock import RecordClock
from streams.letters.letter import StoredLetter
from streams.repair.known_records import scan_known
from streams.wire.record_batch import RecordBatch
from transfer.arrays import F64


def declared_of_letter(letter: StoredLetter, now: float) -> DecodedDeclarations:
    """What the record of a dead letter says. now: unix seconds that its time is judged by."""
    batch = letter.batch()
    written = [None if time is None else time / 1000 for time in batch.times_ms]
    return decode_declarations(
        batch.values, keys=batch.keys, written=written, now=max([now, *filter(None, written)])
    )


class KnownDeclarations:
    """Collects those of the users whose points have these ids."""

    def __init__(self, points: Set[str], clock: RecordClock) -> None:
        self._points = points
        self._clock = clock
        self.found: list[UserDeclaration] = []

    def add(self, decoded: DecodedDeclarations) -> int:
        """Take those that are of the users; how many."""
        meant = [one for one in decoded.declarations if user_point_id(one.user_id) in self._points]
        self.found += meant
        return len(meant)

    def add_topics(self, broker: BrokerConfig, topics: Sequence[str], sources: Sources, cluster: str) -> None:
        """Take what the topics of profiles hold of what is in the store."""

        def take(topic: str, identity: str, records: Sequence[Any]) -> None:
            now = self._clock.references(topic, records[0].partition, records)
            self.add(declared_records(RecordBatch.fetched(records, topic), now))

        if topics:
            scan_known(broker, topics, sources, cluster, take)


def declared_records(batch: RecordBatch, now: F64) -> DecodedDeclarations:
    """What records of a topic of profiles say."""
    written = [None if time is None or time < 0 else time / 1000 for time in batch.times_ms]
    return decode_declarations(batch.values, keys=batch.keys, written=written, now=now)
