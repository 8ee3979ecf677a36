"""Fault 5: a worker is frozen beyond its session with work in hand; others take over and move on; then it wakes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from faults.trial import LAG, Broker, Result, Trial
from support.qdrant_server import QdrantServer

PARTITIONS = 6
TAKEOVER_S = 60.0
FREEZE_S = 60.0
"""longer than one freeze takes, on a busy machine too"""


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    workers: int
    freezes: int
    rate: float
    burst: float


SHORT = Sizes(events=5000, users=300, workers=2, freezes=1, rate=60.0, burst=5000.0)
LONG = Sizes(events=200_000, users=2000, workers=3, freezes=5, rate=1000.0, burst=20_000.0)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Freeze one of the workers in a burst of events, let the others go past it, and wake it, again and again."""
    trial = Trial("zombie", folder, broker, seed, partitions=PARTITIONS)
    log = trial.log(sizes.events, sizes.users)
    taken = refusals = stale = 0.0
    with QdrantServer(folder / "qdrant") as server, ExitStack() as running:
        crew = [running.enter_context(trial.worker(server.url)) for _ in range(sizes.workers)]
        for worker in crew:
            worker.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            for freeze in range(sizes.freezes):
                trial.until(
                    lambda: all(trial.events(worker) for worker in crew),
                    "each has part of the work",
                    60,
                    *crew,
                )
                zombie = trial.rng.choice(crew)
                others = [worker for worker in crew if worker is not zombie]
                load.rate = sizes.burst
                trial.until(
                    lambda zombie=zombie: trial.samples(zombie).total(LAG) > 0,
                    "it has work in hand",
                    60,
                    zombie,
                )
                zombie.freeze()
                load.last(FREEZE_S * (sizes.freezes - freeze), sizes.rate)
                trial.until(
                    lambda others=others: sum(map(trial.partitions, others)) == 3 * PARTITIONS,
                    "the others hold all partitions",
                    TAKEOVER_S,
                    *others,
                )
                trial.flows(trial.rng.randrange(1, round(2 * sizes.rate)), "the others move on", *others)
                zombie.thaw()
                trial.until(
                    lambda: all(map(trial.partitions, crew)),
                    "it is back in the group",
                    TAKEOVER_S,
                    *crew,
                )
            trial.require(not load.finished, "the load was over before the last wake")
            load.rate = None
            load.until_sent()
            trial.finished(*crew)
            for worker in crew:
                taken += trial.samples(worker).total("driftline_takeovers_total")
                refusals += trial.samples(worker).total("driftline_refused_writes_total")
                stale += trial.samples(worker).total("driftline_stale_events_total")
                trial.stop(worker)
        trial.require(taken > 0, "not exercised: no worker took a user over")
        times = f"{sizes.workers} workers, {sizes.freezes} freezes; "
        times += f"{taken:.0f} taken, {refusals:.0f} refused, {stale:.0f} stale"
        return trial.result(server.url, log, times)
