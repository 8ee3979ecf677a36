"""The batch transport, alone: any Faust app may use it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.broker import EmbeddedBroker
from streams.topics import ensure_topics
from streams.transport import PRIVATE_NAMES, BatchApp


@pytest.mark.parametrize("where", sorted(PRIVATE_NAMES))
def test_the_private_names_still_exist(where: str) -> None:
    """A release of Faust or aiokafka that changes what the transport relies on is noticed here, by name."""
    module, _, name = where.partition(":")
    owner = getattr(importlib.import_module(module), name)
    source = inspect.getsource(owner)  # an attribute of instances is in no class
    gone = [
        private
        for private in PRIVATE_NAMES[where]
        if not hasattr(owner, private) and f"self.{private} = " not in source
    ]
    assert not gone, f"{where} has no {', '.join(gone)} any more; streams/transport.py has to follow"


def app_of(broker: EmbeddedBroker, topic: str) -> BatchApp:
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


def consumed(broker: EmbeddedBroker, topic: str, marked: int, wanted: int) -> list[list[int]]:
    """Run such an app; offsets of each batch, marking only the first `marked` batches."""
    batches: list[list[int]] = []

    async def run() -> None:
        app = app_of(broker, topic)
        enough = asyncio.Event()

        async def agent(stream: Any) -> None:
            async for records in stream:
                batches.append([record.offset for record in records])
                if len(batches) <= marked:
                    app.consumer.mark_done(stream.current_event.message)  # type: ignore[attr-defined]
                if sum(map(len, batches)) >= wanted:
                    enough.set()

        app.agent(app.batch_topic(topic), name="agent")(agent)
        app.finalize()
        await app.start()
        await asyncio.wait_for(enough.wait(), 30)
        await app.stop()

    asyncio.run(run())
    return batches


def send_numbers(broker: EmbeddedBroker, topic: str, count: int) -> None:
    """Records b"0", b"1", ... into a new topic of one partition."""
    ensure_topics(broker.config, {topic: 1})
    producer = KafkaProducer(**broker.config.kafka_python(), acks="all", linger_ms=20)
    for future in [producer.send(topic, value=b"%d" % n) for n in range(count)]:
        future.get(10)
    producer.close()


@pytest.mark.broker
def test_another_app_gets_whole_fetches_and_reads_again_what_it_did_not_mark(
    embedded_broker: EmbeddedBroker, topic_prefix: str
) -> None:
    """Batches are lists of many records in order; a restart begins exactly behind the last marked batch."""
    topic = topic_prefix + "views"
    send_numbers(embedded_broker, topic, 500)
    first = consumed(embedded_broker, topic, marked=2, wanted=500)
    assert [offset for batch in first for offset in batch] == list(range(500))
    assert max(map(len, first)) > 1
    resumed = consumed(embedded_broker, topic, marked=99, wanted=500 - sum(map(len, first[:2])))
    assert resumed[0][0] == first[2][0]
    assert [offset for batch in resumed for offset in batch] == list(range(first[2][0], 500))


@pytest.mark.broker
def test_going_back_reads_again_though_nothing_was_ever_committed(
    embedded_broker: EmbeddedBroker, topic_prefix: str
) -> None:
    """What was fetched and dropped before the group's first commit is read again, like everything after it."""
    topic = topic_prefix + "views"
    send_numbers(embedded_broker, topic, 50)

    async def offsets_read_twice() -> list[int]:
        app = app_of(embedded_broker, topic)
        offsets: list[int] = []

        async def agent(stream: Any) -> None:
            async for records in stream:
                offsets.extend(record.offset for record in records)

        app.agent(app.batch_topic(topic), name="agent")(agent)
        app.finalize()
        await app.start()
        await until(lambda: len(offsets) >= 50)
        await app.consumer.perform_seek()
        await until(lambda: len(offsets) >= 100)
        await app.stop()
        return offsets

    assert asyncio.run(offsets_read_twice()) == [*range(50), *range(50)]


async def until(condition: Callable[[], bool], wait_s: float = 20.0) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
