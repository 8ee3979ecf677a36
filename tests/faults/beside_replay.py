"""Fault 8: the older half of a log is replayed beside a daemon that takes the newer half from topics; both are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from faults.trial import PATIENCE_S, REFUSED, TAKEOVERS, Broker, Result, Trial
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_log import EventLog
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import QUICK, program

SLOW_S = 0.02
"""of each request, so that a short replay lasts"""
CHANGE_S = 40.0
"""longer than one kill takes, on a busy machine too"""
REST_S = 300.0


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    kills: int
    rate: float
    batch_events: int


SHORT = Sizes(events=4000, users=200, kills=2, rate=60.0, batch_events=50)
LONG = Sizes(events=40_000, users=2000, kills=8, rate=100.0, batch_events=200)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Kill the replay and the daemon in turn, start each again, and let both finish."""
    trial = Trial("replay beside a daemon", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    half = sizes.events // 2
    history = older(log, half, folder)
    share = half // (3 * sizes.kills)
    killed_replays = in_hand = 0
    with QdrantServer(folder / "qdrant") as server, ExitStack() as running:
        server.delay_s = SLOW_S
        daemon = running.enter_context(trial.worker(server.url))
        everyone = [daemon]
        daemon.until_ready()
        with trial.load(log.records(trial.prefix)[half:], sizes.rate) as load:
            for number in range(sizes.kills):
                load.last(CHANGE_S * (sizes.kills - number), sizes.rate)
                if number % 2:
                    trial.flows(trial.rng.randrange(1, round(sizes.rate)), "events flow", daemon)
                    in_hand += trial.has_work(daemon)
                    daemon.kill()
                    daemon = running.enter_context(trial.worker(server.url))
                    everyone.append(daemon)
                    daemon.until_ready()
                else:
                    goal = rows_done(server.url) + trial.rng.randint(1, share)
                    killed_replays += killed_at(history, server.url, sizes, goal)
            with replaying(history, server.url, sizes) as last:
                trial.flows(1, "the daemon continues beside the replay", daemon)
                status = last.wait(REST_S)
            trial.require(status == 0, f"the last replay ended with {status}")
            server.delay_s = 0.0
            load.rate = None
            load.until_sent()
            trial.finished(daemon, wait_s=REST_S)
            taken, refused = trial.total(TAKEOVERS, everyone), trial.total(REFUSED, everyone)
            trial.stop(daemon)
        done = rows_done(server.url)
        trial.require(done == half, f"the store has {done} rows of the log's {half}")
        trial.exercised(killed_replays > 0, "no replay was killed on its way")
        trial.exercised(in_hand > 0, "no daemon was killed with work in hand")
        trial.exercised(taken > 0 and refused > 0, f"{taken} take-overs, {refused} refused writes")
        times = f"{killed_replays} replays and {in_hand} daemons killed at work; {taken} users taken over, {refused} refused"
        return trial.result(server.url, log, times)


def older(log: EventLog, rows: int, folder: Path) -> Path:
    """The log's first rows, as a file."""
    path = folder / "history.parquet"
    pq.write_table(pq.read_table(log.write(path)).slice(0, rows), path)
    return path


def replaying(history: Path, url: str, sizes: Sizes) -> subprocess.Popen[bytes]:
    """`driftline replay` of the file, in small batches, in the background."""
    small = {"DRIFTLINE_REPLAY__BATCH_EVENTS": str(sizes.batch_events)}
    return subprocess.Popen(
        [str(program()), "replay", str(history), "--store", url, "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **QUICK, **small},
    )


def killed_at(history: Path, url: str, sizes: Sizes, goal: int) -> bool:
    """Replay until the store has so many rows, then kill; False if it was through before."""
    with replaying(history, url, sizes) as running:
        end = time.monotonic() + PATIENCE_S
        while rows_done(url) < goal and running.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        running.kill()
        return running.wait() == -signal.SIGKILL


def rows_done(url: str) -> int:
    """How far the logs are that the store knows of, in rows."""
    with open_for_reading(url, Settings.load()) as found:
        logs = [info.number for name, info in found.store.sources.known().items() if name.startswith("log/")]
        return sum(found.store.sources.progress(logs).values())
