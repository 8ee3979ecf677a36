"""Which source each topic-partition is: an identity, not a name.

A topic that is deleted and made again under its name is another source, and so is its copy in another cluster: their offsets
count other records. The identity is the cluster's id, the topic's id and the partition number; the name stands in it only
where a broker tells no topic ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TopicPartition = tuple[str, int]

START = "start"
"""Where a source began, among what a store keeps of it."""


def kafka_identity(cluster: str, topic: str, topic_id: str | None, partition: int, turn: int = 0) -> str:
    """Identity of a topic-partition.

    topic_id: None where the broker gives none. turn: how often it was said that the topic was made again although the
    broker tells no other id.

    >>> kafka_identity("c1", "clicks", "ff57e317-5042", 3)
    'c1/ff57e317-5042/3'
    >>> kafka_identity("c1", "clicks", None, 3, turn=1)
    'c1/name:clicks#1/3'
    """
    return f"{cluster}/{topic_id or f'name:{topic}'}{f'#{turn}' if turn else ''}/{partition}"


def old_name(cluster: str, topic: str, partition: int) -> str:
    """What releases before topic ids called a topic-partition in users' watermarks; the alias of its identity."""
    return f"{cluster}/{topic}/{partition}"


def turns_kept(
    cluster: str, topic_ids: Mapping[str, str | None], abouts: Iterable[Mapping[str, Any]]
) -> dict[str, int]:
    """By topic how often it was said to be made again under its id, as a store keeps it with the sources (`abouts`)."""
    turns: dict[str, int] = {}
    for about in abouts:
        name = str(about.get("topic"))
        if name in topic_ids and (about.get("cluster"), about.get("topic_id")) == (cluster, topic_ids[name]):
            turns[name] = max(turns.get(name, 0), int(about.get("turn", 0)))
    return turns


class PartitionSources:
    """The identities of the topic-partitions in one cluster, as last asked of the broker.

    Replaced as a whole, so that any thread may ask at any time. The holder of records keeps the identity that was true when
    they were handed over (`streams.worker.batch.LaneBatch.source`): a later one may be that of a topic made again.
    """

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self._topics: Mapping[str, tuple[str | None, int]] = {}

    @property
    def topic_ids(self) -> Mapping[str, str | None]:
        """The id of each existing topic; None where the broker gives none."""
        return {name: topic_id for name, (topic_id, _) in self._topics.items()}

    def replace(self, topic_ids: Mapping[str, str | None], turns: Mapping[str, int] | None = None) -> None:
        """Take what the broker says now. turns: by name, see `kafka_identity`; 0 where left out."""
        self._topics = {name: (topic_id, (turns or {}).get(name, 0)) for name, topic_id in topic_ids.items()}

    def turn(self, topic: str) -> int:
        """How often it was said that the topic was made again; see `kafka_identity`."""
        return self._topics[topic][1]

    def identity(self, topic: str, partition: int) -> str:
        """Identity of a topic-partition.

        Raises:
            KeyError: the topic did not exist when the broker was asked.
        """
        topic_id, turn = self._topics[topic]
        return kafka_identity(self.cluster, topic, topic_id, partition, turn)

    def identities(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, str]:
        """Identity of each topic-partition whose topic exists."""
        topics = self._topics
        return {
            (topic, partition): kafka_identity(
                self.cluster, topic, topics[topic][0], partition, topics[topic][1]
            )
            for topic, partition in partitions
            if topic in topics
        }
