"""Everything that a topic holds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from streams.broker.config import BrokerConfig


@dataclass(frozen=True)
class TopicRecord:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


def read_topic(broker: BrokerConfig, topic: str, expected: int, wait_s: float = 20.0) -> list[TopicRecord]:
    """All records by partition and offset; returns when `expected` are read and no more follow at once."""
    consumer = KafkaConsumer(**broker.kafka_python(), group_id=None, enable_auto_commit=False)
    try:
        partitions = sorted(consumer.partitions_for_topic(topic) or ())
        targets = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(targets)
        for target in targets:
            consumer.seek(target, 0)
        found: list[TopicRecord] = []
        end = time.monotonic() + wait_s
        while True:
            fetched = consumer.poll(timeout_ms=100)
            for records in fetched.values():
                found += [
                    TopicRecord(r.partition, r.offset, r.key, r.value, r.timestamp, tuple(r.headers))
                    for r in records
                ]
            if not fetched and (len(found) >= expected or time.monotonic() > end):
                return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()
