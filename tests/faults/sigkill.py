"""Fault 1: the daemon is killed again and again, somewhere in its work."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from faults.trial import Broker, Result, Trial

IN_JOIN = 5
"""Every so many kills one falls anywhere from the start of the process on: mostly into its start or the group's join."""


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    kills: int
    batch_events: int


SHORT = Sizes(events=8000, users=300, kills=2, batch_events=100)
LONG = Sizes(events=200_000, users=2000, kills=20, batch_events=200)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Kill at random places of the log, start again, and let a last daemon finish."""
    trial = Trial("sigkill", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    store = str(folder / "live")
    share = sizes.events // (3 * sizes.kills)  # a third of the log, so that the last daemon still has work
    in_hand = 0
    with trial.load(log.records(trial.prefix)) as load:
        load.until_sent(sizes.events // 4)
        for number in range(sizes.kills):
            with trial.daemon(store, **trial.slow(sizes.batch_events)) as daemon:
                if number % IN_JOIN == IN_JOIN - 1:
                    time.sleep(trial.rng.uniform(0, 6))
                else:
                    goal = trial.rng.randint(share // 10, 2 * share - share // 10)
                    trial.flows(goal, f"{goal} events are through", daemon)
                    time.sleep(trial.rng.uniform(0, 0.05))
                    in_hand += trial.has_work(daemon)
                trial.events(daemon)
                daemon.kill()
        load.until_sent()
    left = trial.drain(store)
    trial.exercised(
        in_hand >= 0.6 * sizes.kills, f"only {in_hand} of {sizes.kills} kills hit a daemon with work in hand"
    )
    trial.exercised(left > 0, "the log ended before the last kill")
    return trial.result(store, log, f"{sizes.kills} kills, {in_hand} with work in hand")
