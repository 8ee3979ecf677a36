"""How fast is the daemon, broker to searchable vectors? Baseline: replay of the same log, in the same call.

    python benchmarks/daemon.py [--log events.parquet --map scenario=department] [--broker HOST:PORT] [--repeat 3]

The log is sent to the three topics first; then the daemon starts, and the clock runs from its first flush to the end of
the backlog. Without --log 60,000 simulated events are used, without --broker the embedded broker. One JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from streams.broker import EmbeddedBroker
from streams.daemon import Daemon
from streams.log_setup import set_up_logs
from streams.logs import Log, open_logs
from streams.mapping import parse_mapping
from streams.redrive import redrive
from streams.replay import replay
from streams.settings import Settings
from streams.simulate import simulated_events, simulated_users
from streams.simulated_catalogue import simulated_catalogue
from streams.topics import ensure_topics
from streams.workspace import open_workspace


def simulated_log(folder: Path, count: int, users: int) -> Path:
    """A log file of simulated events, without texts: the model is not what is measured."""
    rng = random.Random(1)
    catalogue = simulated_catalogue()
    people = simulated_users(rng, users, catalogue)
    path = folder / "events.jsonl"
    with path.open("w") as file:
        for row in simulated_events(
            rng, people, catalogue, start=time.time() - 86400, rate=count / 86400, count=count
        ):
            event = row.event
            if event.item_id:
                fields = ("user_id", "timestamp", "scenario", "item_id", "event_id")
                file.write(
                    json.dumps({name: getattr(event, name) for name in fields} | {"action": row.action})
                    + "\n"
                )
    return path


async def drain(settings: Settings, folder: Path, events: int) -> dict[str, Any]:
    """Run the daemon over the backlog; seconds from the first flush on."""
    daemon = Daemon(
        settings,
        lambda metrics: open_workspace(str(folder), settings, create=True, metrics=metrics),
        drain=True,
    )
    running = asyncio.create_task(daemon.run())
    while daemon.summary().events == 0 and not running.done():  # noqa: ASYNC110  # counters, not an event
        await asyncio.sleep(0.001)
    first, began, cpu = daemon.summary().events, time.perf_counter(), time.process_time()
    while daemon.summary().events < events and not running.done():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await running
    return {"events_per_s": (events - first) / seconds, "cpu_us_per_event": 1e6 * cpu / (events - first)}


def measure(settings: Settings, log: Log, repeat: int, folder: Path) -> dict[str, Any]:
    """Interleaved runs of the daemon and of replay, medians."""
    daemon: list[dict[str, Any]] = []
    replayed: list[float] = []
    for number in range(repeat):
        prefix = f"bench{number}-"
        topics = settings.topics.model_copy(update={"prefix": prefix})
        run = settings.model_copy(
            update={"topics": topics, "daemon": settings.daemon.model_copy(update={"group": prefix})}
        )
        ensure_topics(run.broker, dict.fromkeys(topics.all_names(), topics.partitions))
        sent = sum(redrive(log, run.broker, topics.by_action()).sent.values())
        daemon.append(asyncio.run(drain(run, folder / f"daemon{number}", sent)))
        with open_workspace(str(folder / f"replay{number}"), run, create=True) as workspace:
            replayed.append(replay(workspace, log).events_per_s)
    return {
        "daemon_events_per_s": round(statistics.median(d["events_per_s"] for d in daemon)),
        "daemon_cpu_us_per_event": round(statistics.median(d["cpu_us_per_event"] for d in daemon), 1),
        "replay_events_per_s": round(statistics.median(replayed)),
        "ratio_to_replay": round(
            statistics.median(d["events_per_s"] / r for d, r in zip(daemon, replayed, strict=True)), 3
        ),
        "runs": [round(d["events_per_s"]) for d in daemon],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path)
    parser.add_argument("--map", default="")
    parser.add_argument("--broker")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    quick = {"port": 0, "session_timeout_s": 6.0, "heartbeat_s": 1.0, "rebalance_timeout_s": 6.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = options.log or simulated_log(folder, 60_000, 2000)
        log = open_logs([path], parse_mapping(options.map), now=time.time())
        embedded = None if options.broker else EmbeddedBroker(log=folder / "broker.log")
        if embedded is not None:
            embedded.start()
        url = options.broker or (embedded.url if embedded else "")
        settings = Settings.load(
            None, {"broker": {"url": url}, "daemon": quick, "log": {"level": "warning", "format": "json"}}
        )
        set_up_logs(settings.log)
        try:
            figures = measure(settings, log, options.repeat, folder)
        finally:
            if embedded is not None:
                embedded.stop()
    print(
        json.dumps(
            {
                "benchmark": "daemon",
                "log": path.parent.name if options.log else "simulated",
                "events": log.total_rows,
                "broker": "given" if options.broker else "embedded",
                **figures,
                "store": "embedded",
                "device": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "qdrant_edge": version("qdrant-edge-py"),
                "faust": version("faust-streaming"),
            }
        )
    )


if __name__ == "__main__":
    main()
