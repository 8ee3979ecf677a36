"""Fault 2: the daemon is told to stop under load, again and again; it is quick, and leaves nothing to be read twice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from faults.trial import Broker, Result, Trial


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    stops: int
    batch_events: int
    shutdown_s: float


SHORT = Sizes(events=8000, users=300, stops=2, batch_events=100, shutdown_s=5.0)
LONG = Sizes(events=200_000, users=2000, stops=10, batch_events=200, shutdown_s=5.0)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """SIGTERM at random places of the log, each stop timed against its deadline, and a last daemon to finish."""
    trial = Trial("sigterm", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    store = str(folder / "live")
    settings = {**trial.slow(sizes.batch_events), "DRIFTLINE_DAEMON__SHUTDOWN_S": str(sizes.shutdown_s)}
    share = sizes.events // (3 * sizes.stops)
    stops: list[float] = []
    in_hand = 0
    with trial.load(log.records(trial.prefix)) as load:
        load.until_sent(sizes.events // 4)
        for _ in range(sizes.stops):
            goal = trial.rng.randint(share // 10, 2 * share - share // 10)
            with trial.daemon(store, **settings) as daemon:
                trial.flows(goal, f"{goal} events are through", daemon)
                time.sleep(trial.rng.uniform(0, 0.05))
                in_hand += trial.has_work(daemon)
                began = time.monotonic()
                trial.stop(daemon, sizes.shutdown_s + 10)
                stops.append(time.monotonic() - began)
        load.until_sent()
    left = trial.drain(store)
    trial.require(max(stops) < sizes.shutdown_s, f"a stop took {max(stops):.1f} s of {sizes.shutdown_s} s")
    trial.exercised(in_hand == sizes.stops, f"only {in_hand} of {sizes.stops} stops met work in hand")
    trial.exercised(left > 0, "the log ended before the last stop")
    trial.require(
        not trial.outcomes["redelivered"], f"{trial.outcomes['redelivered']} events were read twice"
    )
    median = sorted(stops)[len(stops) // 2]
    return trial.result(
        store,
        log,
        f"{len(stops)} stops, {in_hand} with work in hand, {median:.2f} s, at most {max(stops):.2f} s",
    )
