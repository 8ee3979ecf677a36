"""Fault 5, to the point: a worker is frozen exactly between a request to the store and its answer.

The request waits in the server meanwhile, as in a full network or a busy shard. Once another worker has taken over and
written the same users, it is let through: an old state of theirs, which the store refuses since they are claimed.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.trial import Broker, Result, Trial, not_ready
from support.qdrant_server import QdrantServer

WRITE, READ = "Upsert", "Get"
HOLD_S = 120.0


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    rate: float
    burst: float


SHORT = Sizes(events=3000, users=500, rate=60.0, burst=5000.0)
LONG = Sizes(events=50_000, users=3000, rate=1000.0, burst=20_000.0)


class HoldingServer(QdrantServer):
    """A server that can keep requests of one method on the users waiting, each before it is looked at."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.holding = ""
        self.held = self.let_through = 0
        self._release = threading.Event()

    def answer(self, method: str, call: Any, request: Any, context: Any) -> Any:
        """As a server does, later."""
        if self.holding and method.endswith(f"/{self.holding}") and request.collection_name == "users":
            self.held += 1
            self._release.wait(HOLD_S)
            try:
                return super().answer(method, call, request, context)
            finally:
                self.let_through += 1
        return super().answer(method, call, request, context)

    def release(self) -> None:
        """Let through what waits."""
        self._release.set()


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes, method: str = WRITE) -> Result:
    """Freeze the only worker in a request of this method, let another one take over and finish, and wake it.

    Few users are held in memory and none acts much more than the others, so that what an old state overwrites is not
    written once more from memory.
    """
    trial = Trial(f"frozen in {'a write' if method == WRITE else 'a read'}", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users, exponent=0.0)
    few = {"DRIFTLINE_DAEMON__USER_CACHE": "10"}
    with HoldingServer(folder / "qdrant") as server, ExitStack() as running:
        zombie = running.enter_context(trial.worker(server.url, **few))
        zombie.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            trial.flows(trial.rng.randrange(1, round(sizes.rate)), "events flow", zombie)
            server.holding = method
            load.rate = sizes.burst
            trial.until(lambda: server.held > 0, "a request is held", 30, zombie)
            zombie.freeze()
            server.holding = ""
            load.rate = None
            successor = running.enter_context(trial.worker(server.url, **few))
            load.until_sent()
            trial.finished(successor)
            moved_on = trial.events(successor)
            woken_first = trial.rng.random() < 0.5
            if woken_first:
                zombie.thaw()
            server.release()
            trial.until(
                lambda: server.let_through == server.held, "the request is let through", 30, successor
            )
            if not woken_first:
                zombie.thaw()
            trial.until(lambda: not_ready(zombie) == "", "it is back in the group", 60, zombie, successor)
            trial.finished(zombie, successor)
            taken = trial.samples(successor).total("driftline_takeovers_total")
            trial.require(taken > 0, "not exercised: the successor took no user over")
            refusals = trial.samples(zombie).total("driftline_refused_writes_total")
            stale = trial.samples(zombie).total("driftline_stale_events_total")
            trial.stop(zombie)
            trial.stop(successor)
        times = f"{server.held} held, {moved_on} events later; {taken:.0f} taken, {refusals:.0f} refused, {stale:.0f} stale"
        return trial.result(server.url, log, times)
