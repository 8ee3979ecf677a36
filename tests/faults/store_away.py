"""Fault 4: the store server is killed and stays away, is slow, fails some requests, loses answers, and writes too late."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from faults.trial import Broker, Result, Trial, not_ready
from support.qdrant_process import QdrantProcess
from support.servers.daemon_process import DaemonProcess

RECOVERY_S = 20.0


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    outage_s: float
    trouble_s: float
    rate: float
    in_flight_events: int
    lost_answers: int
    delay_s: float = 0.3
    fail_share: float = 0.3
    late_share: float = 0.2


SHORT = Sizes(
    events=2500, users=300, outage_s=2.0, trouble_s=1.0, rate=60.0, in_flight_events=100, lost_answers=4
)
LONG = Sizes(
    events=200_000,
    users=2000,
    outage_s=30.0,
    trouble_s=15.0,
    rate=1000.0,
    in_flight_events=2000,
    lost_answers=20,
)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """One daemon lives through all five, one after the other, under load."""
    trial = Trial("store away", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    settings = {
        "DRIFTLINE_DAEMON__BATCH_EVENTS": "50",
        "DRIFTLINE_DAEMON__IN_FLIGHT_EVENTS": str(sizes.in_flight_events),
    }
    with (
        QdrantProcess(folder / "qdrant") as server,
        trial.daemon(server.url, **settings) as daemon,
    ):
        daemon.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            trial.flows(trial.rng.randrange(1, round(3 * sizes.rate)), "events flow", daemon)
            recovery, in_flight = outage(trial, daemon, server, sizes.outage_s)
            trial.require(
                0 < in_flight <= sizes.in_flight_events,
                f"{in_flight} events in flight, {sizes.in_flight_events} allowed",
            )

            server.faults(delay_s=sizes.delay_s)
            goes_on(trial, daemon, sizes.trouble_s, "events flow though the store is slow")
            server.faults(delay_s=0.0)

            server.faults(fail_share=sizes.fail_share)
            goes_on(trial, daemon, sizes.trouble_s, "events flow though requests fail")
            server.faults(fail_share=0.0)

            for _ in range(sizes.lost_answers):
                server.faults(fail_next=1, applied=True, method="Upsert")
                trial.flows(1, "events flow though answers are lost", daemon, wait_s=RECOVERY_S)

            server.faults(late_share=sizes.late_share)
            goes_on(trial, daemon, sizes.trouble_s, "events flow though updates are carried out later")
            trial.comes(lambda: server.faults()["faulted"].get("late", 0) > 0, RECOVERY_S)
            server.faults(late_share=0.0)
            trial.exercised(not load.finished, "the load was over before the last fault")
            load.rate = None
            load.until_sent()
            trial.finished(daemon)
            trial.stop(daemon)
        retries = int(trial.samples(daemon).total("driftline_store_retries_total"))
        faulted = {"failed": 0, "lost": 0, "late": 0} | server.faults()["faulted"]
        trial.exercised(retries > sizes.lost_answers, f"only {retries} retries: the store was not away")
        trial.exercised(
            faulted["failed"] > 0 and faulted["lost"] >= sizes.lost_answers and faulted["late"] > 0,
            f"not every way to fail a request: {faulted}",
        )
        times = (
            f"{sizes.outage_s:g} s away, {in_flight} in flight, going again after {recovery:.1f} s; {retries} retries; "
            f"{faulted['failed']} failed, {faulted['lost']} answers lost, {faulted['late']} late"
        )
        return trial.result(server.url, log, times)


def outage(trial: Trial, daemon: DaemonProcess, server: QdrantProcess, outage_s: float) -> tuple[float, int]:
    """The store is killed, stays away and comes back; seconds from its return to the next event, and the events that were
    held in memory at the end of its absence."""
    server.kill()
    gone = time.monotonic()
    trial.exercised(
        trial.comes(lambda: "store unavailable" in not_ready(daemon), RECOVERY_S),
        "no request of the daemon failed while the store was away",
    )
    time.sleep(max(0.0, gone + outage_s - time.monotonic()))
    in_flight = int(trial.samples(daemon).total("driftline_in_flight_events"))
    server.start()
    back = time.monotonic()
    trial.flows(1, "events flow again", daemon, wait_s=RECOVERY_S)
    took = time.monotonic() - back
    trial.until(lambda: not_ready(daemon) == "", "it is ready again", RECOVERY_S, daemon)
    return took, in_flight


def goes_on(trial: Trial, daemon: DaemonProcess, seconds: float, what: str) -> None:
    """For so long, and some events get through meanwhile."""
    end = time.monotonic() + seconds
    trial.flows(1, what, daemon, wait_s=RECOVERY_S)
    time.sleep(max(0.0, end - time.monotonic()))
