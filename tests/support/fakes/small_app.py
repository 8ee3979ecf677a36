"""A small app on the batch transport, alone, and records for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kafka import KafkaProducer

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.embedded import EmbeddedBroker
from streams.broker.topics import ensure_topics
from streams.transport.app import BatchApp


def app_of(broker: EmbeddedBroker | RealKafka, topic: str) -> BatchApp:
    """A small Faust app of its own, in the running loop."""
    return BatchApp(
        f"group-{topic}",
        broker=f"kafka://{broker.url}",
        store="memory://",
        loop=asyncio.get_running_loop(),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_session_timeout=2.0,
        broker_heartbeat_interval=0.5,
        broker_max_poll_records=100,
    )


def send_numbers(broker: EmbeddedBroker | RealKafka, topic: str, count: int) -> None:
    """Records b"0", b"1", ... into a new topic of one partition."""
    ensure_topics(broker.config, {topic: 1})
    producer = KafkaProducer(**broker.config.kafka_python(), acks="all", linger_ms=20)
    for future in [producer.send(topic, value=b"%d" % n) for n in range(count)]:
        future.get(10)
    producer.close()


async def until(condition: Callable[[], bool], wait_s: float = 20.0) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
