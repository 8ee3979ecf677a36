"""Records of a fetch, made cheaply, say what aiokafka's own say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.broker_config import BrokerConfig
from streams.fetched_record import FetchedRecord, unpack_cheaply
from streams.topics import ensure_topics

FIELDS = FetchedRecord.__struct_fields__


async def _send(broker: BrokerConfig, topic: str, count: int) -> None:
    async with AIOKafkaProducer(**broker.aiokafka()) as producer:
        for number in range(count):
            await producer.send(
                topic,
                key=None if number % 4 == 0 else b"k%d" % number,
                value=None if number % 4 == 1 else b"v" * number,
                headers=[("trace", b"%d" % number), ("empty", b"")] if number % 3 == 0 else None,
                timestamp_ms=1_700_000_000_000 + number,
            )
        await producer.flush()


async def _read(broker: BrokerConfig, topic: str, count: int, *, cheaply: bool) -> list[Any]:
    records: list[Any] = []
    consumer = AIOKafkaConsumer(topic, **broker.aiokafka(), auto_offset_reset="earliest")
    async with consumer:
        while len(records) < count:
            if cheaply:
                unpack_cheaply(consumer._fetcher)
            for batch in (await consumer.getmany(timeout_ms=500, max_records=10)).values():
                records += batch
    return records


@pytest.mark.broker
def test_a_cheap_record_says_what_aiokafkas_says(broker: BrokerConfig, topic_prefix: str) -> None:
    """Key, value, headers, time and place of every record are the same, keys, values and headers that are absent too."""
    topic, count = topic_prefix + "mixed", 60
    ensure_topics(broker, {topic: 1})

    async def run() -> tuple[list[Any], list[Any]]:
        await _send(broker, topic, count)
        return await _read(broker, topic, count, cheaply=False), await _read(
            broker, topic, count, cheaply=True
        )

    theirs, ours = asyncio.run(run())
    assert sum(type(record) is FetchedRecord for record in ours) >= 40, (
        "all but the fetches that were waited for"
    )
    for their, our in zip(theirs, ours, strict=True):
        assert [getattr(our, name) for name in FIELDS] == [getattr(their, name) for name in FIELDS]
