"""The newest records of topics, read as the daemon reads them: what doctor looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from faust.types import TP

from streams.broker.config import BrokerConfig
from streams.transport.fetching import unpack_in_pieces
from streams.transport.record import FetchedRecord
from streams.transport.unreadable import why_unreadable

WAIT_S = 15.0
MOST_BYTES = 8 << 20
FETCH_BYTES = 256 << 10
"""Of a partition at once. A batch that is larger comes alone."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Of one topic. problem: why it can't be read, or None."""

    records: list[FetchedRecord]
    problem: str | None = None


def newest_records(
    broker: BrokerConfig,
    partitions: Mapping[str, int],
    most: int,
    wait_s: float = WAIT_S,
    most_bytes: int = MOST_BYTES,
) -> dict[str, Newest]:
    """Up to `most` records of each topic, about as many of each partition and at least one, with the daemon's credentials,
    codecs and isolation; joins no group.

    Args:
        partitions: partition count by topic.
        wait_s: for each topic.
        most_bytes: of keys and values for each topic; what was read until then is what there is.
    """

    async def read_all() -> dict[str, Newest]:
        return {
            topic: await _read(broker, topic, count, -(-most // count), wait_s, most_bytes)
            for topic, count in partitions.items()
        }

    return asyncio.run(read_all())


async def _read(
    broker: BrokerConfig, topic: str, count: int, most: int, wait_s: float, most_bytes: int
) -> Newest:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    unpack_in_pieces()
    consumer = AIOKafkaConsumer(
        **broker.aiokafka(),
        isolation_level=broker.isolation,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    records: list[FetchedRecord] = []
    held = 0
    try:
        async with asyncio.timeout(wait_s):
            await consumer.start()
            partitions = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(partitions)
            begins, ends = (
                await consumer.beginning_offsets(partitions),
                await consumer.end_offsets(partitions),
            )
            for tp in partitions:
                consumer.seek(tp, max(begins[tp], ends[tp] - most))
            while held < most_bytes and [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
                for found in (await consumer.getmany(timeout_ms=200, max_records=most)).values():
                    records += found
                    held += sum(record.n_bytes for record in found)
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
