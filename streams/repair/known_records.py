"""What topics still hold of what is in the store, by its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sinks.protocols import Sources
from streams.broker.cluster_view import view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.sources import kafka_identity
from streams.broker.topic_scan import scan_topic

TakeRecords = Callable[[str, str, Sequence[Any]], None]
"""Topic, identity of the partition, and records of it in order."""


def scan_known(
    broker: BrokerConfig, topics: Sequence[str], sources: Sources, cluster: str, take: TakeRecords
) -> list[str]:
    """Read the topics up to their sources' progress; what follows comes by the daemon. Those whose first records are gone."""
    known = sources.known()
    with view_cluster(broker) as view:
        found = view.topics(list(topics))
    cut = []
    for topic, info in found.items():
        identities = {
            partition: kafka_identity(cluster, topic, info.topic_id, partition)
            for partition in range(info.partitions)
        }
        numbers = {p: known[identity].number for p, identity in identities.items() if identity in known}
        progress = sources.progress(numbers.values())
        ends = {p: progress[number] for p, number in numbers.items() if progress[number]}
        first: dict[int, int] = {}

        def take_records(
            records: Sequence[Any],
            topic: str = topic,
            first: dict[int, int] = first,
            identities: dict[int, str] = identities,
        ) -> None:
            first.setdefault(records[0].partition, records[0].offset)
            take(topic, identities[records[0].partition], records)

        if ends:
            scan_topic(broker, topic, take_records, ends=ends)
        if any(first.get(partition, end) > 0 for partition, end in ends.items()):
            cut.append(topic)
    return cut
