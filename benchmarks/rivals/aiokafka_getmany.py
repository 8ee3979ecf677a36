"""The baseline: bare aiokafka, `getmany` and orjson.loads of every record. Nothing is checked."""

from __future__ import annotations

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer
from stopwatch import Stopwatch, arguments


async def run() -> None:
    """Read the topic to its end, with the daemon's fetch sizes."""
    broker, topic, group, events = arguments()
    watch = Stopwatch(events)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker,
        group_id=group,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    loads, over = orjson.loads, False
    while not over:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=4000)).values():
            watch.begin()
            for record in records:
                loads(record.value)
            over = watch.add(len(records), len(records))
    watch.report()
    await consumer.stop()


asyncio.run(run())
