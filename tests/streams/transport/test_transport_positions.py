"""The batch transport begins where the app says, and shows the group what the app wants shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from faust.types import TP

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.cluster_view import Commit, view_cluster
from streams.transport.app import BatchApp
from support.fakes.small_app import app_of, send_numbers, until

pytestmark = pytest.mark.broker


class Reader:
    """An app with one agent that marks everything as done; `positions` says where it begins."""

    def __init__(self, broker: RealKafka, topic: str) -> None:
        self.app: BatchApp = app_of(broker, topic)
        self.offsets: list[int] = []
        self.asked = 0
        self.start = 0
        self.wait = asyncio.Event()
        self.wait.set()
        self.app.positions = self.positions
        self.app.commit_metadata = "mine"
        self.app.agent(self.app.batch_topic(topic), name="agent")(self.agent)
        self.app.finalize()

    async def positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        self.asked += 1
        await self.wait.wait()
        return dict.fromkeys(assigned, self.start)

    async def agent(self, stream: Any) -> None:
        async for records in stream:
            self.offsets.extend(record.offset for record in records)
            self.app.consumer.mark_done(stream.current_event.message)  # type: ignore[attr-defined]


def commits(broker: RealKafka, topic: str) -> dict[tuple[str, int], Commit]:
    with view_cluster(broker.config) as cluster:
        return cluster.commits(f"group-{topic}")


def test_it_begins_where_the_app_says_whatever_the_group_has_committed(
    kafka: RealKafka, topic_prefix: str
) -> None:
    """Forwards and backwards; the group shows the position, and the app's text, before the first record is done."""
    topic = topic_prefix + "views"
    send_numbers(kafka, topic, 50)

    async def read(start: int, until_offset: int) -> list[int]:
        reader = Reader(kafka, topic)
        reader.start = start
        await reader.app.start()
        await until(lambda: bool(reader.offsets) and reader.offsets[-1] >= until_offset)
        await reader.app.stop()
        return reader.offsets

    assert asyncio.run(read(30, 49)) == list(range(30, 50))
    assert commits(kafka, topic) == {(topic, 0): Commit(50, "mine")}
    assert asyncio.run(read(10, 49)) == list(range(10, 50)), "the group says 50"


def test_the_position_is_committed_before_anything_is_read(kafka: RealKafka, topic_prefix: str) -> None:
    """Tools that look at the group see whose it is, also while there is nothing to read."""
    topic = topic_prefix + "views"
    send_numbers(kafka, topic, 50)

    async def committed_at_once() -> None:
        reader = Reader(kafka, topic)
        reader.start = 50
        await reader.app.start()
        await until(lambda: commits(kafka, topic) == {(topic, 0): Commit(50, "mine")})
        await reader.app.stop()
        assert reader.offsets == []

    asyncio.run(committed_at_once())


def test_an_answer_that_takes_long_is_waited_for_and_nothing_is_read_meanwhile(
    kafka: RealKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away for longer than an assignment may take holds the partitions back, not the group."""
    topic = topic_prefix + "views"
    send_numbers(kafka, topic, 50)
    monkeypatch.setattr("streams.transport.consumer.PLACE_S", 0.3)

    async def waits() -> None:
        reader = Reader(kafka, topic)
        reader.start = 20
        reader.wait.clear()
        await reader.app.start()
        await until(lambda: reader.asked == 1 and not reader.app.rebalancing)
        await asyncio.sleep(1.5)
        assert reader.offsets == [] and commits(kafka, topic) == {}
        reader.wait.set()
        await until(lambda: bool(reader.offsets) and reader.offsets[-1] == 49)
        await reader.app.stop()
        assert reader.offsets == list(range(20, 50))

    asyncio.run(waits())


def test_a_rejoin_asks_again_and_a_held_partition_goes_on_only_then(
    kafka: RealKafka, topic_prefix: str
) -> None:
    """As for a topic that was made again: nothing more is handed over until the partition has its new position."""
    topic = topic_prefix + "views"
    send_numbers(kafka, topic, 10)

    async def rejoins() -> list[int]:
        reader = Reader(kafka, topic)
        await reader.app.start()
        await until(lambda: len(reader.offsets) == 10)
        consumer: Any = reader.app.consumer
        consumer.hold(TP(topic, 0))
        await asyncio.to_thread(send_numbers, kafka, topic, 10)
        await asyncio.sleep(1.0)
        assert len(reader.offsets) == 10
        reader.start = 5
        await consumer.rejoin()
        await until(lambda: reader.asked == 2 and len(reader.offsets) >= 25)
        await reader.app.stop()
        return reader.offsets

    assert asyncio.run(rejoins()) == [*range(10), *range(5, 20)]
