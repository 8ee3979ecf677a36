"""Fault 7: keys that say nothing of the partition, several workers, kills, and requests that the store carries out late."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from faults.trial import REFUSED, TAKEOVERS, Broker, Result, Trial
from support.qdrant_server import QdrantServer

PARTITIONS = 6
CHANGE_S = 40.0
"""longer than one kill takes, on a busy machine too"""
LATE_S = 20.0
REST_S = 300.0
"""what is left takes longer than elsewhere: users go from worker to worker, and requests are waited for"""


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    workers: int
    kills: int
    rate: float
    late_share: float = 0.05


SHORT = Sizes(events=4000, users=200, workers=2, kills=2, rate=60.0)
LONG = Sizes(events=30_000, users=2000, workers=3, kills=6, rate=200.0)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Every user's events come by every partition, so to every worker, while workers are killed and replaced."""
    trial = Trial("badly placed keys", folder, broker, seed, partitions=PARTITIONS)
    log = trial.log(sizes.events, sizes.users)
    placing = random.Random(seed)  # the load's own: it runs in a thread
    with QdrantServer(folder / "qdrant") as server, ExitStack() as running:
        crew = [running.enter_context(trial.worker(server.url)) for _ in range(sizes.workers)]
        everyone = list(crew)
        in_hand = 0
        for worker in crew:
            worker.until_ready()
        server.late_share = sizes.late_share
        records = log.records(trial.prefix)
        with trial.load(records, sizes.rate, place=lambda _: placing.randrange(PARTITIONS)) as load:
            for kill in range(sizes.kills):
                load.last(CHANGE_S * (sizes.kills - kill), sizes.rate)
                trial.until(lambda: all(map(trial.events, crew)), "each has part of the work", 60, *crew)
                killed = crew.pop(trial.rng.randrange(len(crew)))
                in_hand += trial.has_work(killed)
                killed.kill()
                crew.append(running.enter_context(trial.worker(server.url)))
                everyone.append(crew[-1])
                crew[-1].until_ready()
                trial.flows(trial.rng.randrange(1, round(sizes.rate)), "events flow", *crew)
            trial.exercised(not load.finished, "the load was over before the last kill")
            trial.comes(lambda: server.faulted["late"] > 0, LATE_S)
            load.rate = None
            load.until_sent()
            trial.finished(*crew, wait_s=REST_S)
            server.late_share = 0.0
            time.sleep(server.late_s)
        taken, refused = trial.total(TAKEOVERS, everyone), trial.total(REFUSED, everyone)
        spread = trial.total("driftline_users_on_several_partitions_total", everyone)
        for worker in crew:
            trial.stop(worker)
        late = server.faulted["late"]
        trial.exercised(in_hand > 0, "no worker was killed with work in hand")
        trial.exercised(spread > 0, "no user was seen under more than one partition")
        trial.exercised(taken > 0 and refused > 0, f"{taken} take-overs, {refused} refused writes")
        trial.exercised(late > 0, "no request was carried out late")
        times = (
            f"{sizes.workers} workers, {sizes.kills} kills, {in_hand} with work in hand; {taken} users taken over, "
            f"{refused} refused, {late} late"
        )
        return trial.result(server.url, log, times)
