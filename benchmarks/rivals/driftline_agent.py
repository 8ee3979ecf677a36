"""The program under test: the daemon's transport and decoder, with nothing behind them.

The app is set as the daemon sets it (`streams.app.faust_app`); each fetch becomes validated columns in which strings are
coded and every event has its key for duplicates, and is then marked done.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from typing import Any

from stopwatch import Stopwatch, arguments

from streams.decode import decode_events
from streams.settings import DaemonConfig
from streams.transport import BatchApp
from streams.watermarks import kafka_source


async def run(folder: str) -> None:
    """Read the topic to its end."""
    broker, topic, group, events = arguments()
    watch, over, daemon = Stopwatch(events), asyncio.Event(), DaemonConfig()
    app = BatchApp(
        group,
        broker=f"kafka://{broker}",
        loop=asyncio.get_running_loop(),
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_buffer_maxsize=2,
        broker_max_poll_records=daemon.batch_events,
        consumer_max_fetch_size=daemon.fetch_bytes,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=daemon.commit_interval_s,
        broker_session_timeout=daemon.session_timeout_s,
        broker_heartbeat_interval=daemon.heartbeat_s,
        broker_rebalance_timeout=daemon.rebalance_timeout_s,
        broker_request_timeout=90.0,
    )

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
                max_future_s=daemon.max_future_s,
            )
            app.consumer.mark_done(message)  # type: ignore[attr-defined]
            if watch.add(len(records), len(decoded.columns)):
                over.set()

    app.agent(app.batch_topic(topic), name="events")(agent)
    app.finalize()
    await app.start()
    await over.wait()
    watch.report()
    await app.stop()


with tempfile.TemporaryDirectory() as name:
    asyncio.run(run(name))
