"""The program under test: the daemon's own app and decoder, with nothing behind them.

Each fetch becomes validated columns in which strings are coded and every event has its key for duplicates, and is then
marked done.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from stopwatch import Stopwatch, arguments

from streams.events.decode import decode_events
from streams.events.watermarks import kafka_source
from streams.settings import Settings
from streams.worker.app import faust_app
from streams.worker.garbage import collect_seldom


async def run() -> None:
    """Read the topic to its end."""
    broker, topic, group, events = arguments()
    settings = Settings.load(None, {"broker": {"url": broker}, "daemon": {"group": group}})
    watch, over, app = Stopwatch(events), asyncio.Event(), faust_app(settings)

    async def agent(stream: Any) -> None:
        async for records in stream:
            watch.begin()
            message = stream.current_event.message
            decoded = decode_events(
                [record.value for record in records],
                offsets=[record.offset for record in records],
                action=1,
                source=kafka_source("benchmark", message.topic, message.partition),
                now=time.time(),
                description=settings.description,
            )
            app.consumer.mark_done(message)  # type: ignore[attr-defined]
            if watch.add(len(records), len(decoded.columns)):
                over.set()

    app.agent(app.batch_topic(topic), name="events")(agent)
    app.finalize()
    collect_seldom()  # as the daemon does
    await app.start()
    await over.wait()
    watch.report()
    await app.stop()


asyncio.run(run())
