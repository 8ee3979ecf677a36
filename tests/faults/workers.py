"""Fault 5: workers on one server store join, are stopped and are killed under load."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from faults.trial import TAKEOVERS, Broker, Result, Trial
from support.qdrant_server import QdrantServer

PARTITIONS = 6
CHANGE_S = 40.0
"""longer than one change takes, on a busy machine too"""


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    workers: int
    changes: int
    rate: float


SHORT = Sizes(events=4000, users=300, workers=2, changes=2, rate=60.0)
LONG = Sizes(events=200_000, users=2000, workers=3, changes=10, rate=1500.0)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """One leaves at a time, by SIGTERM and SIGKILL in turn, another comes; the next change waits for neither always."""
    trial = Trial("workers", folder, broker, seed, partitions=PARTITIONS)
    log = trial.log(sizes.events, sizes.users)
    with QdrantServer(folder / "qdrant") as server, ExitStack() as running:
        crew = [running.enter_context(trial.worker(server.url)) for _ in range(sizes.workers)]
        everyone = list(crew)
        in_hand = 0
        for worker in crew:
            worker.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            trial.until(
                lambda: all(trial.events(worker) for worker in crew), "each has part of the work", 60, *crew
            )
            for change in range(sizes.changes):
                load.last(CHANGE_S * (sizes.changes - change), sizes.rate)
                leaver = crew.pop(trial.rng.randrange(len(crew)))
                if change % 2:
                    in_hand += trial.has_work(leaver)
                    leaver.kill()
                else:
                    trial.events(leaver)
                    trial.stop(leaver)
                time.sleep(trial.rng.uniform(0, 2))
                crew.append(running.enter_context(trial.worker(server.url)))
                everyone.append(crew[-1])
                if trial.rng.random() < 0.7:
                    crew[-1].until_ready()
                    trial.flows(trial.rng.randrange(1, round(sizes.rate)), "events flow", *crew)
            trial.exercised(not load.finished, "the load was over before the last change")
            load.rate = None
            load.until_sent()
            trial.finished(*crew)
            for worker in crew:
                trial.stop(worker)
        taken = trial.total(TAKEOVERS, everyone)
        trial.exercised(taken > 0, "no worker took over a user of another one")
        trial.exercised(in_hand > 0, "no worker was killed with work in hand")
        times = (
            f"{sizes.workers} workers, {sizes.changes} changes; {in_hand} killed with work in hand; "
            f"{taken} users taken over"
        )
        return trial.result(server.url, log, times)
