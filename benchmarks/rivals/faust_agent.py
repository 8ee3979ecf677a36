"""The other baseline: a plain Faust agent, one event at a time, as Faust's documentation writes it. Nothing is checked."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

import faust
from stopwatch import Stopwatch, arguments


async def run(folder: str) -> None:
    """Read so many events of the topic."""
    broker, topic, group, events = arguments()
    watch, over = Stopwatch(events), asyncio.Event()
    app = faust.App(
        group,
        broker=f"kafka://{broker}",
        loop=asyncio.get_running_loop(),
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_max_poll_records=4000,
        consumer_max_fetch_size=4 << 20,
        consumer_auto_offset_reset="earliest",
    )

    async def agent(stream: Any) -> None:
        async for event in stream:
            watch.begin()
            if watch.add(1, "user_id" in event):
                over.set()

    app.agent(app.topic(topic, value_serializer="json"), name="events")(agent)
    app.finalize()
    await app.start()
    await over.wait()
    watch.report()
    await app.stop()


with tempfile.TemporaryDirectory() as name:
    asyncio.run(run(name))
