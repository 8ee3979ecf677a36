"""How far the Kafka sources of a log's rows are in a store, as broker and store say; and that they begin with a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sinks.protocols import Sources
from streams.broker.cluster_view import TopicInfo, view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.sources import START, PartitionSources, old_name, turns_kept
from streams.broker.topics import cluster_id
from streams.event_log.positions import Partition, Positions
from streams.event_log.stream import Standing

BY_LOG: Final = "by_log"
"""Kept with a source: the offset up to which a log has brought it; the daemon was further if progress is."""


class KafkaStandings:
    """The Kafka sources of one cluster, in a store. Blocking.

    Raises of all calls: BrokerUnavailable, BrokerError, StoreUnavailable.
    """

    def __init__(self, broker: BrokerConfig, sources: Sources) -> None:
        self._broker = broker
        self._sources = sources
        self._partitions = PartitionSources(cluster_id(broker))
        self._topics: dict[str, TopicInfo] = {}

    def of(self, positions: Positions) -> dict[Partition, Standing]:
        """Of the partitions of a log that are there now."""
        names = sorted({topic for topic, _ in positions.next} - self._topics.keys())
        if names:
            with view_cluster(self._broker) as view:
                self._topics |= view.topics(names)
        known = self._sources.known()
        topic_ids = {name: info.topic_id for name, info in self._topics.items()}
        turns = turns_kept(self._partitions.cluster, topic_ids, (info.about for info in known.values()))
        self._partitions.replace(topic_ids, turns)
        identities = self._partitions.identities(
            (topic, number)
            for topic, number in positions.next
            if topic in self._topics and number < self._topics[topic].partitions
        )
        met = [identity for identity in identities.values() if identity in known]
        numbers = self._sources.numbers(met)
        progress = self._sources.progress(numbers.values())
        standings = {}
        for partition, identity in identities.items():
            if identity not in numbers:
                standings[partition] = Standing(identity)
                continue
            about, reached = known[identity].about, progress[numbers[identity]]
            # Without a start, and with progress, it was read from wherever an older release began: all of it, then.
            start = about.get(START, 0 if reached else None)
            standings[partition] = Standing(identity, start, reached, about.get(BY_LOG) == reached)
        return standings

    def begin(self, positions: Positions, standings: Mapping[Partition, Standing]) -> None:
        """Note that sources that the store does not know begin with this log, as a daemon notes where it begins."""
        cluster = self._partitions.cluster
        starts: dict[str, int] = {}
        for (topic, number), standing in standings.items():
            if standing.start is None:
                first = positions.first[topic, number]
                starts[standing.identity] = first
                self._sources.numbers(
                    [standing.identity], {standing.identity: old_name(cluster, topic, number)}
                )
                about = {"topic": topic, "partition": number, "cluster": cluster}
                about |= {"topic_id": self._topics[topic].topic_id, "turn": self._partitions.turn(topic)}
                about |= {START: first}
                self._sources.describe(standing.identity, about)
        raise_progress(self._sources, {identity: first for identity, first in starts.items() if first})


def finish(sources: Sources, ends: Mapping[str, int]) -> None:
    """Raise the progress of Kafka sources to where a log ends, and note that a log brought them there.

    Raises:
        StoreUnavailable: call again.
    """
    raise_progress(sources, ends)
    found = sources.find(list(ends))
    for identity, end in ends.items():
        sources.describe(identity, {**found[identity].about, BY_LOG: end})


def raise_progress(sources: Sources, ends: Mapping[str, int]) -> None:
    """Raise the progress of sources, registered ones or not."""
    numbers = sources.numbers(list(ends))
    sources.advance({numbers[identity]: end for identity, end in ends.items()})
