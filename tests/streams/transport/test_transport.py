"""The batch transport, alone: any Faust app may use it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from typing import Any

import pytest

from streams.broker.embedded import EmbeddedBroker
from streams.settings import Settings
from streams.transport.private_names import PRIVATE_NAMES
from streams.worker.app import faust_app
from support.fakes.small_app import app_of, send_numbers, until


@pytest.mark.parametrize("where", sorted(PRIVATE_NAMES))
def test_the_private_names_still_exist(where: str) -> None:
    """A release of Faust or aiokafka that changes what the transport relies on is noticed here, by name."""
    module, _, name = where.partition(":")
    owner = getattr(importlib.import_module(module), name)
    gone = [private for private in PRIVATE_NAMES[where] if not hasattr(owner, private)]
    if gone:
        # An attribute of instances is in no class. A class may be the transport's own by now, made from the library's.
        source = "".join(inspect.getsource(made) for made in owner.__mro__ if made is not object)
        gone = [private for private in gone if f"self.{private} = " not in source]
    assert not gone, f"{where} no longer has {', '.join(gone)}; streams/transport/ has to follow"


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


@pytest.mark.broker
def test_a_first_start_reads_what_is_there_already(
    embedded_broker: EmbeddedBroker, topic_prefix: str
) -> None:
    """A group that never committed begins with the oldest record, not with what comes next; by the daemon's own settings."""
    topic = topic_prefix + "views"
    send_numbers(embedded_broker, topic, 50)

    async def offsets() -> list[int]:
        settings = Settings.load(
            flags={"broker": {"url": embedded_broker.url}, "daemon": {"group": topic_prefix}}
        )
        app, found = faust_app(settings), []

        async def agent(stream: Any) -> None:
            async for records in stream:
                found.extend(record.offset for record in records)

        app.agent(app.batch_topic(topic), name="agent")(agent)
        app.finalize()
        await app.start()
        await until(lambda: len(found) >= 50)
        await app.stop()
        return found

    assert asyncio.run(offsets()) == [*range(50)]
