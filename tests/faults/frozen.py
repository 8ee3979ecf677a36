"""Fault 5, to the point: a worker is frozen exactly between a request to the store and its answer.

The request waits in the server meanwhile, as in a full network or a busy shard. Once another worker has taken over and
written the same users, it is let through: an old state of theirs, which the store refuses since they are claimed, or a
claim that is read when it is no longer true.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.trial import REFUSED, TAKEOVERS, Broker, Result, Trial, not_ready
from sinks.points import user_point_id
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
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
    """A server that can keep requests of one method waiting, each before it is looked at, where they are of these points."""

    def __init__(self, folder: Path, points: Iterable[str]) -> None:
        super().__init__(folder)
        self._points = frozenset(points)
        self.holding = ""
        self.held: set[str] = set()
        """the points of what waits or waited"""
        self.waiting = 0
        self._release = threading.Event()

    def answer(self, method: str, call: Any, request: Any, context: Any) -> Any:
        """As a server does, later."""
        if not self.holding or not method.endswith(f"/{self.holding}"):
            return super().answer(method, call, request, context)
        ids = [point.id for point in request.points] if self.holding == WRITE else request.ids
        held = self._points.intersection(point.uuid for point in ids)
        if not held:  # the progress of sources lies among the users
            return super().answer(method, call, request, context)
        self.held |= held
        self.waiting += 1
        self._release.wait(HOLD_S)
        try:
            return super().answer(method, call, request, context)
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Let through what waits."""
        self._release.set()


def writers(url: str) -> dict[str, int]:
    """By point the token of its writer, of those that are there."""
    with open_for_reading(url, Settings.load()) as found:
        records = [record for page in found.store.users.scan(500) for record in page]
    return {user_point_id(record.user_id): record.writer for record in records}


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes, method: str = WRITE) -> Result:
    """Freeze the only worker in a request of this method, let another one take over and finish, and wake it.

    Few users are held in memory and none acts much more than the others, so that what an old state overwrites is not
    written once more from memory.
    """
    trial = Trial(f"frozen in {'a write' if method == WRITE else 'a read'}", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users, exponent=0.0)
    few = {"DRIFTLINE_DAEMON__USER_CACHE": "10"}
    points = map(user_point_id, log.counts())
    with HoldingServer(folder / "qdrant", points) as server, ExitStack() as running:
        zombie = running.enter_context(trial.worker(server.url, **few))
        zombie.until_ready()
        with trial.load(log.records(trial.prefix), sizes.rate) as load:
            trial.flows(trial.rng.randrange(1, round(sizes.rate)), "events flow", zombie)
            server.holding = method
            load.rate = sizes.burst
            trial.until(lambda: server.waiting > 0, "a request is held", 30, zombie)
            zombie.freeze()
            server.holding = ""
            before = writers(server.url)
            load.rate = None
            successor = running.enter_context(trial.worker(server.url, **few))
            load.until_sent()
            trial.finished(successor)
            moved_on = trial.events(successor)
            after = writers(server.url)
            taken = trial.total(TAKEOVERS, [successor])
            overtaken = sum(before.get(point) != after.get(point) for point in server.held)
            woken_first = trial.rng.random() < 0.5
            if woken_first:
                zombie.thaw()
            server.release()
            trial.until(lambda: server.waiting == 0, "the request is let through", 30, successor)
            if not woken_first:
                zombie.thaw()
            trial.until(lambda: not_ready(zombie) == "", "it is back in the group", 60, zombie, successor)
            trial.finished(zombie, successor)
            refused = trial.total(REFUSED, [zombie, successor])
            stale = trial.total("driftline_stale_events_total", [zombie])
            trial.stop(zombie)
            trial.stop(successor)
        trial.exercised(taken > 0, "nobody took over a user of the frozen worker")
        trial.exercised(overtaken > 0, "no user of the late request had another writer when it was released")
        times = (
            f"{len(server.held)} users held, {overtaken} of them overtaken, {moved_on} events later; "
            f"{taken} taken over, {refused} refused, {stale} stale"
        )
        return trial.result(server.url, log, times)
