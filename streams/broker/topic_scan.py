"""Everything that a topic holds now, from its beginning or from given offsets, without a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

from streams.broker.config import BrokerConfig
from streams.broker.sources import TopicPartition
from streams.broker.topics import describe_topics
from streams.errors import BrokerError, BrokerUnavailable

QUIET_S: Final = 3.0
"""So long without a record, with all ends known, is the end too: what is left there are markers of transactions."""
GIVE_UP_S: Final = 30.0
_AT_ONCE: Final = 2000

Ends = dict[int, int]
"""Partition -> offset after what was read."""


def scan_topic(
    broker: BrokerConfig,
    topic: str,
    take: Callable[[Sequence[Any]], None],
    *,
    starts: Mapping[int, int] = MappingProxyType({}),
    ends: Mapping[int, int] | None = None,
    only: Collection[int] | None = None,
) -> Ends:
    """Hand over a topic's records, some of one partition at a time, in order; committed ones only.

    Args:
        take: called with aiokafka's records.
        starts: per partition the offset to begin with; what is not there any longer is passed over.
        ends: per partition where to stop, and only these partitions; default: all partitions, up to where they end now.
        only: without `ends`: the partitions that are read; default: all.

    Returns:
        Where each partition was left.

    Raises:
        BrokerUnavailable: the broker is away, or gives no records for `GIVE_UP_S`.
        BrokerError: the topic does not exist, or may not be read.
    """
    count = describe_topics(broker, [topic])[topic]
    if count is None:
        raise BrokerError(f"topic {topic!r} does not exist on {broker.url}")
    chosen = ends if ends is not None else range(count) if only is None else only
    wanted = [partition for partition in chosen if partition < count]
    return asyncio.run(_scan(broker, topic, take, {p: starts.get(p, 0) for p in wanted}, ends))


def first_since(
    broker: BrokerConfig, partitions: Iterable[TopicPartition], time_s: float
) -> dict[TopicPartition, int]:
    """The first offset whose record is of that time or later; the end where there is none. Reads all that lies before.

    Raises:
        BrokerUnavailable, BrokerError
    """
    by_topic: dict[str, list[int]] = {}
    for topic, number in partitions:
        by_topic.setdefault(topic, []).append(number)
    found: dict[TopicPartition, int] = {}
    for topic, numbers in by_topic.items():

        def take(records: Sequence[Any], topic: str = topic) -> None:
            for record in records:
                if record.timestamp >= int(time_s * 1000):
                    found.setdefault((topic, record.partition), record.offset)
                    return

        ends = scan_topic(broker, topic, take, only=numbers)
        for number in numbers:
            found.setdefault((topic, number), ends.get(number, 0))
    return found


async def _scan(
    broker: BrokerConfig,
    topic: str,
    take: Callable[[Sequence[Any]], None],
    starts: Mapping[int, int],
    ends: Mapping[int, int] | None,
) -> Ends:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    if not starts:
        return {}
    consumer = AIOKafkaConsumer(
        **broker.aiokafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        targets = {TopicPartition(topic, partition): start for partition, start in starts.items()}
        consumer.assign(list(targets))
        for target, start in targets.items():
            consumer.seek(target, start)
        return await _read(consumer, targets, take, ends)
    except KafkaError as error:
        kind = BrokerUnavailable if getattr(error, "retriable", False) else BrokerError
        raise kind(f"topic {topic} can't be read from {broker.url}: {type(error).__name__}") from None
    finally:
        await consumer.stop()


async def _read(
    consumer: Any,
    targets: Mapping[Any, int],
    take: Callable[[Sequence[Any]], None],
    ends: Mapping[int, int] | None,
) -> Ends:
    reached = dict(targets)
    last: dict[Any, int] = {} if ends is None else {target: ends[target.partition] for target in targets}
    quiet_since = monotonic()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=_AT_ONCE)
        for target, records in fetched.items():
            end = last.get(target)
            kept = [record for record in records if end is None or record.offset < end]
            if kept:
                take(kept)
            reached[target] = records[-1].offset + 1
            quiet_since = monotonic()
        for target in targets:
            end = consumer.highwater(target)
            if target not in last and end is not None:
                last[target] = end
        known = len(last) == len(targets)
        quiet_s = monotonic() - quiet_since
        if known and (all(reached[t] >= last[t] for t in targets) or quiet_s > QUIET_S):
            return {target.partition: last[target] for target in targets}
        if quiet_s > GIVE_UP_S:
            raise BrokerUnavailable("the broker gives no records and does not say where the topic ends")
