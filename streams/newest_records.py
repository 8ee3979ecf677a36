"""The newest records of topics, read as the daemon reads them: what doctor looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from faust.types import TP

from streams.broker_config import BrokerConfig
from streams.fetched_record import FetchedRecord
from streams.fetching import unpack_in_pieces
from streams.unreadable import why_unreadable

WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Newest:
    """Of one topic. problem: why it can't be read, or None."""

    records: list[FetchedRecord]
    problem: str | None = None


def newest_records(
    broker: BrokerConfig, partitions: Mapping[str, int], most: int, wait_s: float = WAIT_S
) -> dict[str, Newest]:
    """Up to `most` records of each partition, with the daemon's credentials, codecs and isolation; joins no group.

    Args:
        partitions: partition count by topic.
        wait_s: for each topic.
    """

    async def read_all() -> dict[str, Newest]:
        return {topic: await _read(broker, topic, count, most, wait_s) for topic, count in partitions.items()}

    return asyncio.run(read_all())


async def _read(broker: BrokerConfig, topic: str, count: int, most: int, wait_s: float) -> Newest:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    unpack_in_pieces()
    consumer = AIOKafkaConsumer(
        **broker.aiokafka(), isolation_level=broker.isolation, auto_offset_reset="earliest"
    )
    records: list[FetchedRecord] = []
    try:
        async with asyncio.timeout(wait_s):
            await consumer.start()
            there = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(there)
            begins, ends = await consumer.beginning_offsets(there), await consumer.end_offsets(there)
            for tp in there:
                consumer.seek(tp, max(begins[tp], ends[tp] - most))
            while [tp for tp in there if await consumer.position(tp) < ends[tp]]:
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records += found
    except TimeoutError:
        why = f"topic {topic} can't be read: nothing came within {wait_s:g} s"
        return Newest(records, None if records else why)
    except KafkaError as error:
        return Newest(records, why_unreadable(TP(topic, 0), error))
    finally:
        await consumer.stop()
    refused = next((record for record in records if record.refused), None)
    if refused is not None:
        place = f"{topic}/{refused.partition}, offset {refused.offset}"
        return Newest(records, f"{place}: a record is refused: {refused.refused}")
    return Newest(records)
