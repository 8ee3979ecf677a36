"""The sources of a log that is being replayed: how far each is, which of them each row is applied under, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import structlog

from sinks.protocols import Sources
from streams.event_log.log import LogBatch
from streams.event_log.positions import Positions
from streams.event_log.sources import LogFacts
from streams.event_log.stream import StreamShare, share_of, under_kafka
from streams.events.columns import EventColumns, take_events
from streams.replay.kafka_standings import KafkaStandings, finish
from streams.replay.registered_log import RegisteredLog, known_logs
from transfer.arrays import I64

log = structlog.get_logger(__name__)

MOSTLY: Final = 0.9
"""Share of the offsets of a complete log that have a row; markers of transactions and compaction take the others."""


class ReplaySources:
    """Of one replay. Calls may be repeated after StoreUnavailable.

    A batch of which no row is an event raises no progress before its log's first event: a log that was rejected whole,
    because of a wrong mapping, say, can be replayed as soon as that is fixed.
    """

    def __init__(self, log: RegisteredLog, sources: Sources, kafka: KafkaStandings | None) -> None:
        self._facts: dict[str, LogFacts] = dict(log.facts)
        self._sources = sources
        self._kafka = kafka
        self._shares: dict[str, StreamShare] = {}
        self._begun: set[str] = set()
        self._rejected: dict[str, int] = {}

    def reached(self, identity: str) -> int:
        """Number of the next row of a log; decides what is Kafka's of the rows from there on.

        Raises:
            LogError: see `share_of`.
            BrokerUnavailable, BrokerError
        """
        row = self._progress(identity)
        if row:
            self._begun.add(identity)
        facts = self._facts[identity]
        positions = facts.positions
        if positions is None:
            return row
        if self._kafka is not None:
            _warn_of_holes(facts, positions)
            standings = self._kafka.of(positions)
            share = share_of(facts.name, positions, standings, facts.stream, begun=row > 0)
            # First that it is decided, then that the sources begin: a replay that is killed between decides no other way.
            self._facts[identity] = facts = replace(facts, stream=share)
            self._sources.describe(identity, facts.about())
            self._kafka.begin(positions, standings)
        if facts.stream is not None:
            self._shares[identity] = facts.stream
        return row

    def known_rejected(self, identity: str) -> int:
        """Rows of a known log that were rejected when they were applied."""
        return self._facts[identity].rejected

    def columns(self, batch: LogBatch, kept: I64 | None = None) -> tuple[EventColumns, Mapping[str, int]]:
        """The batch's events under their sources, and how far each source is when they are in the store.

        kept: rows of the events that are to be applied; None: all.
        """
        columns, positions, ends = batch.columns, batch.positions, dict[str, int]()
        if len(columns):
            self._begun.add(batch.source)
        if batch.source in self._begun:
            ends[batch.source] = batch.next_row
        if kept is not None and len(kept) < len(columns):
            columns = take_events(columns, kept)
            positions = None if positions is None else positions.take(kept)
        if batch.source in self._shares and positions is not None:
            columns, of_kafka = under_kafka(columns, positions, self._shares[batch.source])
            ends |= of_kafka
        return columns, ends

    def note(self, batch: LogBatch) -> None:
        """The batch is in the store."""
        if batch.rejects:
            self._rejected[batch.source] = self._rejected.get(batch.source, 0) + len(batch.rejects)

    def finish(self) -> None:
        """All rows are in the store: so are the Kafka sources, up to where the logs end."""
        ends: dict[str, int] = {}
        for identity, share in self._shares.items():
            facts = self._facts[identity]
            positions = facts.positions
            # Of a shorter copy, say, of a log whose end another replay has still to apply.
            if positions is None or identity not in self._begun or self._progress(identity) < facts.rows:
                continue
            for partition, (source, _, _) in share.partitions.items():
                ends[source] = max(ends.get(source, 0), positions.next[partition])
        if ends:
            finish(self._sources, ends)
        known = known_logs(self._sources) if self._rejected else {}
        for identity, count in self._rejected.items():
            if identity in self._begun:
                facts = known[identity]
                self._sources.describe(identity, replace(facts, rejected=facts.rejected + count).about())
        self._rejected.clear()

    def _progress(self, identity: str) -> int:
        number = self._sources.numbers([identity])[identity]
        return self._sources.progress([number])[number]


def _warn_of_holes(facts: LogFacts, positions: Positions) -> None:
    with_position = facts.rows - positions.without
    if with_position < MOSTLY * positions.offsets:
        log.warning(
            "a log lacks many of the records between its first and last offsets; they count as read, and no daemon reads them",
            log=facts.name,
            rows=with_position,
            offsets=positions.offsets,
        )
