"""A real Kafka's topics with settings of their own, and what a dead-letter topic holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka.admin import KafkaAdminClient

from streams.broker.config import BrokerConfig
from streams.letters.letter import StoredLetter, read_letter
from support.data.streamed_logs import TOPICS
from support.servers.topic_reader import read_topic


def make_set_topics(
    broker: BrokerConfig, prefix: str, partitions: int = 1, **settings: Mapping[str, str]
) -> None:
    """The five topics; settings by topic, with _ for - in its name, e.g. dead_letters={"max.message.bytes": "3000"}."""
    admin = KafkaAdminClient(**broker.kafka_python())
    try:
        admin.create_topics(
            {
                prefix + name: {
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": dict(settings.get(name.replace("-", "_"), {})),
                }
                for name in (*TOPICS.values(), "items", "dead-letters")
            },
            wait_for_metadata=True,
        )
    finally:
        admin.close()


def letters_in(broker: BrokerConfig, topic: str, expected: int) -> list[StoredLetter]:
    """All letters of a topic, by partition and offset."""
    return [
        read_letter(r.partition, r.offset, r.timestamp_ms, r.key, r.value, r.headers)
        for r in read_topic(broker, topic, expected)
    ]


def positions(letters: list[StoredLetter]) -> list[tuple[str, int]]:
    """Where the letters' records came from: partition and offset, in order, each once."""
    found: Any = {(letter.source_partition, letter.source_offset) for letter in letters}
    return sorted(found)
