"""Fault 3: the broker is stopped, then killed, each time for a while, and started again on its kept log, under load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers.real_kafka import RealKafka
from faults.trial import Result, Trial, not_ready
from support.servers.daemon_process import DaemonProcess

RECOVERY_S = 20.0


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    outage_s: float
    rate: float


SHORT = Sizes(events=3000, users=300, outage_s=2.0, rate=60.0)
LONG = Sizes(events=200_000, users=2000, outage_s=20.0, rate=1000.0)


def run(folder: Path, broker: RealKafka, seed: int, sizes: Sizes) -> Result:
    """One daemon lives through both outages; the load continues as soon as there is a broker."""
    trial = Trial("broker away", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    store = str(folder / "live")
    recoveries = []
    with trial.daemon(store, DRIFTLINE_DAEMON__BATCH_EVENTS="200") as daemon:
        daemon.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            for leave in (broker.stop, broker.kill):
                trial.flows(trial.rng.randrange(1, round(3 * sizes.rate)), "events flow", daemon)
                recoveries.append(outage(trial, daemon, leave, sizes.outage_s))
            trial.exercised(not load.finished, "the load was over before the last fault")
            load.rate = None
            load.until_sent()
            trial.finished(daemon)
            trial.stop(daemon)
    times = f"2 x {sizes.outage_s:g} s; going again after " + ", ".join(f"{s:.1f} s" for s in recoveries)
    return trial.result(store, log, times)


def outage(trial: Trial, daemon: DaemonProcess, leave: Callable[[], None], outage_s: float) -> float:
    """The broker leaves, stays away and comes back; seconds from its return to the next event."""
    assert isinstance(trial.broker, RealKafka)
    leave()
    gone = time.monotonic()
    trial.exercised(
        trial.comes(lambda: "broker unavailable" in not_ready(daemon), RECOVERY_S),
        "no request of the daemon failed while the broker was away",
    )
    time.sleep(max(0.0, gone + outage_s - time.monotonic()))
    before = trial.events(daemon)
    trial.broker.start()
    back = time.monotonic()
    trial.until(lambda: trial.events(daemon) > before, "events flow again", RECOVERY_S, daemon)
    took = time.monotonic() - back
    trial.until(lambda: not_ready(daemon) == "", "it is ready again", RECOVERY_S, daemon)
    return took
