"""Fault 5: a worker is frozen beyond its session with work in hand; others take over and move on; then it wakes.

The store answers slowly while it is frozen, so that it is in the middle of a flush: what it continues with when it wakes are
claims and writes of users that others have claimed since. Frozen again until one of its writes was refused, within a limit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from faults.trial import REFUSED, TAKEOVERS, Broker, Result, Trial
from support.qdrant_server import QdrantServer
from support.servers.background_load import BackgroundLoad
from support.servers.daemon_process import DaemonProcess

PARTITIONS = 6
TAKEOVER_S = 60.0
FREEZE_S = 60.0
"""longer than one freeze takes, on a busy machine too"""
MORE_FREEZES = 5
SLOW_S = 0.15
"""of each request: a flush is several, so that a worker at work is seldom between two flushes"""


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    workers: int
    freezes: int
    rate: float
    burst: float


SHORT = Sizes(events=6000, users=300, workers=2, freezes=1, rate=60.0, burst=1500.0)
LONG = Sizes(events=200_000, users=2000, workers=3, freezes=5, rate=1000.0, burst=10_000.0)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Freeze one of the workers in a burst of events, let the others go past it, and wake it, again and again."""
    trial = Trial("zombie", folder, broker, seed, partitions=PARTITIONS)
    log = trial.log(sizes.events, sizes.users)
    freezes = taken = refused = in_hand = 0
    with QdrantServer(folder / "qdrant") as server, ExitStack() as running:
        crew = [running.enter_context(trial.worker(server.url)) for _ in range(sizes.workers)]
        for worker in crew:
            worker.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            while freezes < sizes.freezes or (not in_hand and freezes < sizes.freezes + MORE_FREEZES):
                left = max(1, sizes.freezes - freezes)
                more = freeze(trial, crew, server, load, sizes, left)
                freezes, taken, refused = freezes + 1, taken + more[0], refused + more[1]
                # What it held is refused by the store, or dropped by itself where it asks the group first.
                in_hand = refused + trial.total("driftline_stale_events_total", crew)
            trial.exercised(not load.finished, "the load was over before the last wake")
            load.rate = None
            load.until_sent()
            trial.finished(*crew)
            stale = trial.total("driftline_stale_events_total", crew)
            for worker in crew:
                trial.stop(worker)
        trial.exercised(taken > 0, "nobody took over a user of a frozen worker")
        trial.exercised(in_hand > 0, "no woken worker had work in hand")
        times = f"{sizes.workers} workers, {freezes} freezes; {taken} users taken over, {refused} refused, {stale} stale"
        return trial.result(server.url, log, times)


def freeze(
    trial: Trial,
    crew: list[DaemonProcess],
    server: QdrantServer,
    load: BackgroundLoad,
    sizes: Sizes,
    left: int,
) -> tuple[int, int]:
    """One freeze: how many users the others took over meanwhile, and how many the woken one was refused."""
    trial.until(lambda: all(map(trial.events, crew)), "each has part of the work", 60, *crew)
    zombie = trial.rng.choice(crew)
    others = [worker for worker in crew if worker is not zombie]
    load.rate = sizes.burst
    server.delay_s = SLOW_S
    trial.until(lambda: trial.has_work(zombie, 0), "it has work in hand", 60, zombie)
    refused, taken = trial.total(REFUSED, [zombie]), trial.total(TAKEOVERS, others)
    zombie.freeze()
    server.delay_s = 0.0
    load.last(FREEZE_S * left, sizes.rate)
    trial.until(
        lambda: sum(map(trial.partitions, others)) == 3 * PARTITIONS,
        "the others hold all partitions",
        TAKEOVER_S,
        *others,
    )
    trial.flows(trial.rng.randrange(round(sizes.rate), round(3 * sizes.rate)), "the others move on", *others)
    zombie.thaw()
    trial.until(lambda: all(map(trial.partitions, crew)), "it is back in the group", TAKEOVER_S, *crew)
    return trial.total(TAKEOVERS, others) - taken, trial.total(REFUSED, [zombie]) - refused
