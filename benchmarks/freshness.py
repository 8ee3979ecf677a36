"""Seconds from an event's time to its vector being searchable, on the running daemon under load. One JSON line.

    python benchmarks/freshness.py [--rate EVENTS_PER_S] [--seconds 20] [--repeat 3] [--broker HOST:PORT]

Load: Zipf users (rank^-1.1 of 100,000) at a constant rate; without --rate half of what the daemon does with a backlog of
the same events, measured first. Open loop: every event has the time at which it is due, made up beforehand; a latency
counts from that time, so neither a late producer nor a slow broker hides it.

Probes: among the load, 100 users a second have one event each. The embedded store is held by the daemon's process, so
that process itself notes when the write with a probe was acknowledged, and reads some probes back at once. An
acknowledged point is what a search sees.

Baseline, in the same call and in turns: when a bare aiokafka consumer in the daemon's place has the probes in its hands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.servers.broker import running_broker
from benchmarks.workloads.drain import drain_and_compare
from benchmarks.workloads.events import item_ids, send, zipf_users
from benchmarks.workloads.live import Produced, Schedule, produce, receive, serve
from benchmarks.workloads.process import in_own_process
from benchmarks.workloads.report import bench_flags, median, where
from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.settings import Settings

USERS = 100_000
SETTLE_S = 3.0
"""After the last event; a probe that was not seen by then counts as missing, and as seen only then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Latencies of one run, milliseconds."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    missing: int
    cpu_share: float
    worst_late_ms: float
    events_per_s: float


def main() -> None:
    """Measure and print."""
    options = _options()
    daemon: list[Measured] = []
    bare: list[Measured] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_broker(options.broker, folder) as (broker, words):
            rate = options.rate or options.load * _backlog_rate(broker, folder, options.events)
            for number in range(options.repeat):
                schedule = Schedule.zipf(rate, options.seconds, options.probes, USERS, number)
                topics = _topics(broker, f"bare{number}")
                bare.append(_run(receive, (broker, list(topics.values())), schedule, broker, topics))
                topics = _topics(broker, f"fresh{number}")
                flags = bench_flags(broker.url, f"fresh{number}", "daemon")
                ours = (flags, folder / f"store{number}", item_ids())
                daemon.append(_run(serve, ours, schedule, broker, topics))
    print(
        json.dumps(
            {
                "benchmark": "freshness",
                "rate_events_per_s": round(rate),
                "seconds": options.seconds,
                "repeat": options.repeat,
                "p50_ms": median((run.p50_ms for run in daemon), 1),
                "p99_ms": median((run.p99_ms for run in daemon), 1),
                "probes_per_run": len(schedule.probes),
                "missing": sum(run.missing for run in daemon),
                "baseline": "bare aiokafka consumer, event due to event in hand",
                "baseline_p50_ms": median((run.p50_ms for run in bare), 1),
                "baseline_p99_ms": median((run.p99_ms for run in bare), 1),
                "runs": [_rounded(run) for run in daemon],
                "baseline_runs": [_rounded(run) for run in bare],
                **where(words),
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, help="events a second")
    parser.add_argument("--load", type=float, default=0.5, help="share of the backlog's rate, without --rate")
    parser.add_argument("--events", type=int, default=300_000, help="of the backlog that tells the rate")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--probes", type=float, default=100.0, help="a second")
    parser.add_argument("--broker", help="HOST:PORT")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


def _backlog_rate(broker: BrokerConfig, folder: Path, events: int) -> float:
    workload = zipf_users(events, USERS, 1.1, seed=1)
    flags = bench_flags(broker.url, "backlog", "daemon")
    send(workload, broker, Settings.load(None, flags).topics)
    found = in_own_process(drain_and_compare, flags, folder / "backlog", workload.item_ids, events)
    return found.events_per_s


def _topics(broker: BrokerConfig, prefix: str) -> dict[str, str]:
    topics = Settings.load(None, bench_flags(broker.url, prefix, "none")).topics
    ensure_topics(broker, dict.fromkeys(topics.all_names(), topics.partitions))
    return topics.by_action()


def _run(
    program: Callable[..., None],
    arguments: tuple[Any, ...],
    schedule: Schedule,
    broker: BrokerConfig,
    topics: dict[str, str],
) -> Measured:
    """Start the program, produce when it is ready, and compare what it saw with what was due."""
    spawn = multiprocessing.get_context("spawn")
    control, theirs = spawn.Pipe()
    process = spawn.Process(target=program, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    control.recv()  # ready; EOFError if it ended
    produced: Produced = asyncio.run(_produce(schedule, broker, topics))
    control.send("stop")
    seen, absent, cpu = control.recv()
    process.join()
    if absent:
        raise RuntimeError(f"{absent} acknowledged probes were not in the store")
    never = time.time()
    late = np.array([seen.get(user, never) - produced.began - at for user, at in schedule.probes.items()])
    return Measured(
        p50_ms=1000 * float(np.percentile(late, 50)),
        p99_ms=1000 * float(np.percentile(late, 99)),
        worst_ms=1000 * float(late.max()),
        missing=len(schedule.probes.keys() - seen.keys()),
        cpu_share=cpu / float(schedule.due[-1]),
        worst_late_ms=1000 * produced.worst_late_s,
        events_per_s=produced.events_per_s,
    )


async def _produce(schedule: Schedule, broker: BrokerConfig, topics: dict[str, str]) -> Produced:
    produced = await produce(schedule, broker, topics)
    await asyncio.sleep(SETTLE_S)
    return produced


def _rounded(run: Measured) -> dict[str, float]:
    return {name: round(getattr(run, name), 2) for name in run.__slots__}


if __name__ == "__main__":
    main()
