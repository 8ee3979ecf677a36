"""Records of a fetch, unpacked in pieces, say what aiokafka's own say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.transport.fetching import PartitionRecords, unpack_in_pieces
from streams.transport.record import HEADER_BYTES, FetchedRecord

FIELDS = FetchedRecord.__struct_fields__[:8]


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


async def _read(broker: BrokerConfig, topic: str, count: int) -> list[Any]:
    records: list[Any] = []
    async with AIOKafkaConsumer(topic, **broker.aiokafka(), auto_offset_reset="earliest") as consumer:
        while len(records) < count:
            for batch in (await consumer.getmany(timeout_ms=500, max_records=10)).values():
                records += batch
    return records


@pytest.mark.broker
def test_a_record_unpacked_in_pieces_says_what_aiokafkas_says(
    broker: BrokerConfig, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, value, headers, time and place of every record are the same, absent ones too; and it knows what it weighs."""
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(fetcher, "PartitionRecords", PartitionRecords)
    topic, count = topic_prefix + "mixed", 60
    ensure_topics(broker, {topic: 1})

    async def run() -> tuple[list[Any], list[Any]]:
        await _send(broker, topic, count)
        theirs = await _read(broker, topic, count)
        unpack_in_pieces()
        return theirs, await _read(broker, topic, count)

    theirs, ours = asyncio.run(run())
    assert {type(record) for record in ours} == {FetchedRecord}
    for their, our in zip(theirs, ours, strict=True):
        assert [getattr(our, name) for name in FIELDS] == [getattr(their, name) for name in FIELDS]
        content = len(our.key or b"") + len(our.value or b"")
        assert our.n_bytes == content + sum(len(n) + len(v or b"") + HEADER_BYTES for n, v in our.headers)
