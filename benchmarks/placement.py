"""What do keys cost that scatter a user's events over partitions? One JSON line.

    python benchmarks/placement.py [--case folder server workers] [--events 60000] [--users 20000] [--repeat 3]

The same events of Zipf users are sent twice: keyed by their user, and keyed by the event, which spreads each user over all
partitions as null keys do. The daemons are ready before the events are sent; the clock runs from the end of the first write to
the end of the last one. Right and random placement take turns; each run has topics, a group and a store of its own.

    case      store                          workers
    folder    embedded                       one
    server    a server                       one, a lane for each of four partitions
    workers   a server                       two, two lanes each

`random_to_right` are medians of the ratios of each pair: events a second, CPU of the workers an event. `claims_per_event`:
users claimed that were in the store, of which the writes of `refused_per_event` had been prepared in vain.

Where DRIFTLINE_TEST_QDRANT names a Qdrant (and DRIFTLINE_TEST_QDRANT_API_KEY its key) it is the server; else the small server
of the tests, in a process of its own, which does as a Qdrant does at a fraction of its speed; its CPU is reported apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.servers.broker import running_broker
from benchmarks.servers.store import StoreServer, running_store
from benchmarks.workloads.events import Workload, send, zipf_users
from benchmarks.workloads.report import bench_flags, median, where
from benchmarks.workloads.worker import COUNTERS, Work, Worker
from streams.settings import Settings

WORKERS: Final = {"folder": 1, "server": 1, "workers": 2}
PLACEMENTS: Final = ("right", "random")
START_S, LONG_S = 90.0, 600.0
SETTLED_S = 3.0
"""So long ready in a row, all workers are taken to have their share of the partitions."""


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one run."""

    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float
    points_per_event: float
    smallest_share: float
    """of the events, that a worker had"""
    counters: dict[str, float]
    """per event"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=list(WORKERS), default=list(WORKERS))
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--broker", help="HOST:PORT")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    right = zipf_users(options.events, options.users, 1.1, options.seed)
    works = {"right": right, "random": scattered(right)}
    runs: dict[tuple[str, str], list[Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_broker(options.broker, folder) as (broker, words), running_store(folder) as server:
            for number in range(options.repeat):
                for case in options.case:
                    for placed in PLACEMENTS[:: -1 if number % 2 else 1]:
                        run = measured(
                            broker.url, server, folder, case, works[placed], f"{case}-{placed}-{number}"
                        )
                        runs.setdefault((case, placed), []).append(run)
    cases = {case: figures(runs[case, "right"], runs[case, "random"]) for case in options.case}
    result = {
        "benchmark": "placement",
        "events": right.events,
        "users": right.users,
        "repeat": options.repeat,
    }
    print(json.dumps({**result, "cases": cases, **where(words), "server is": server.words}))


def scattered(work: Workload) -> Workload:
    """The same events under keys that are no users: a running number, which the hash spreads evenly."""
    records = {
        action: [(str(number).encode(), value) for number, (_, value) in enumerate(rows)]
        for action, rows in work.records.items()
    }
    return replace(work, records=records)


def measured(broker: str, server: StoreServer, folder: Path, case: str, work: Workload, name: str) -> Run:
    """One run of a case.

    Raises:
        RuntimeError: a worker ended, or not all events were applied in time.
    """
    flags = bench_flags(broker, name, "g")
    location = str(folder / name)
    if case != "folder":
        flags, location = flags | {"store": server.flags()}, server.url
    settings = Settings.load(None, flags)
    send(replace(work, records={}), settings.broker, settings.topics)  # the topics
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(flags, location, work.item_ids)) for _ in range(WORKERS[case])]
        _settled(workers)
        server_cpu = server.cpu_s()
        send(work, settings.broker, settings.topics)
        _until(
            lambda: sum(worker.events() for worker in workers) >= work.events,
            LONG_S,
            "all events are through",
        )
        server_cpu = server.cpu_s() - server_cpu
        done = [worker.stopped() for worker in workers]
    return _run(done, work.events, server_cpu)


def _run(done: list[Work], events: int, server_cpu: float) -> Run:
    applied = sum(work.applied for work in done)
    if applied != events:
        raise RuntimeError(f"{applied} of {events} events were applied")
    busy = [work for work in done if work.points]
    first = min(busy, key=lambda work: work.first_at)
    seconds = max(work.last_at for work in busy) - first.first_at
    return Run(
        events_per_s=(events - first.applied_by_first) / seconds,
        cpu_us_per_event=1e6 * sum(work.cpu_s for work in busy) / (events - first.applied_by_first),
        server_cpu_us_per_event=1e6 * server_cpu / events,
        points_per_event=sum(work.points for work in done) / events,
        smallest_share=min(work.applied for work in done) / events,
        counters={name: sum(work.counters[name] for work in done) / events for name in COUNTERS},
    )


def _settled(workers: list[Worker]) -> None:
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        if not all(worker.ready() for worker in workers):
            since = time.monotonic()
        return time.monotonic() - since > SETTLED_S

    _until(settled, START_S, "all workers are ready")


def _until(condition: Any, wait_s: float, what: str) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {wait_s:g} s: {what}")
        time.sleep(0.05)


def figures(right: list[Run], random: list[Run]) -> dict[str, Any]:
    """Medians of both, and their ratios."""

    def of(runs: list[Run]) -> dict[str, Any]:
        return {
            "events_per_s": median(run.events_per_s for run in runs),
            "cpu_us_per_event": median((run.cpu_us_per_event for run in runs), 1),
            "server_cpu_us_per_event": median((run.server_cpu_us_per_event for run in runs), 1),
            "points_per_event": median((run.points_per_event for run in runs), 3),
            "claims_per_event": median((run.counters["takeovers"] for run in runs), 4),
            "refused_per_event": median((run.counters["refused_writes"] for run in runs), 4),
            "smallest_share": median((run.smallest_share for run in runs), 2),
            "runs": [round(run.events_per_s) for run in runs],
        }

    a, b = of(right), of(random)
    ratios = {
        key: [getattr(y, key) / getattr(x, key) for x, y in zip(right, random, strict=True)]
        for key in ("events_per_s", "cpu_us_per_event")
    }
    return {
        "right": a,
        "random": b,
        "random_to_right": {key: round(statistics.median(each), 3) for key, each in ratios.items()},
    }


if __name__ == "__main__":
    main()
