"""Which source each topic-partition is: an identity, not a name.

A topic that is deleted and made again under its name is another source, and so is its copy in another cluster: their offsets
count other records. The identity is the cluster's id, the topic's id and the partition number; the name stands in it only
where a broker tells no topic ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TopicPartition = tuple[str, int]


def kafka_identity(cluster: str, topic: str, topic_id: str | None, partition: int) -> str:
    """Identity of a topic-partition; `topic_id` None where the broker tells none.

    >>> kafka_identity("c1", "clicks", "ff57e317-5042", 3)
    'c1/ff57e317-5042/3'
    >>> kafka_identity("c1", "clicks", None, 3)
    'c1/name:clicks/3'
    """
    return f"{cluster}/{topic_id or f'name:{topic}'}/{partition}"


def old_name(cluster: str, topic: str, partition: int) -> str:
    """What releases before topic ids called a topic-partition in users' watermarks; the alias of its identity."""
    return f"{cluster}/{topic}/{partition}"


class PartitionSources:
    """The identities of the topic-partitions in one cluster, as last asked of the broker.

    Replaced as a whole, so that any thread may ask at any time. Whoever holds records keeps the identity that was true when
    they were handed over (`streams.batch.Batch.source`): a later one may be that of a topic made again.
    """

    def __init__(self, cluster: str, topic_ids: Mapping[str, str | None] | None = None) -> None:
        self.cluster = cluster
        self._topic_ids: Mapping[str, str | None] = dict(topic_ids or {})

    @property
    def topic_ids(self) -> Mapping[str, str | None]:
        """The id of each topic that is there; None where the broker tells none."""
        return self._topic_ids

    def replace(self, topic_ids: Mapping[str, str | None]) -> None:
        """Take what the broker says now."""
        self._topic_ids = dict(topic_ids)

    def identity(self, topic: str, partition: int) -> str:
        """Identity of a topic-partition.

        Raises:
            KeyError: the topic was not there when the broker was asked.
        """
        return kafka_identity(self.cluster, topic, self._topic_ids[topic], partition)

    def identities(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, str]:
        """Identity of each topic-partition whose topic is there."""
        return {
            (topic, partition): self.identity(topic, partition)
            for topic, partition in partitions
            if topic in self._topic_ids
        }
