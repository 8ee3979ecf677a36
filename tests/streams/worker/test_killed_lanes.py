"""A worker killed between any two steps, and started again: the state of every user is that of one undisturbed run."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.open import open_store
from sinks.protocols import Store
from streams.failpoints import STEPS
from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.checks.states import assert_same_states
from support.fakes.killed_lanes import Children, Run, all_fetches
from support.fakes.lane_story import Worker, in_lanes
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder

SETTINGS = Settings()


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with Children() as running:
        yield running


@pytest.fixture(scope="module")
def truth() -> Iterator[Store]:
    """What an undisturbed run gives."""
    with quick_folder() as folder, open_intake(str(folder / "truth"), SETTINGS, create=True) as opened:

        async def once(worker: Worker) -> None:
            await worker.through(*all_fetches(Run("", "")))

        in_lanes(opened, once)
        yield opened.store


def opened(location: str) -> Store:
    return open_store(location, SETTINGS.store, SETTINGS.interest.dim, create=False)


def assert_nothing_is_committed_that_is_not_there(store: Store, marked: Path) -> None:
    """What may be committed is at most what the store says of the partition."""
    numbers = {identity: info.number for identity, info in store.sources.known().items()}
    progress = store.sources.progress(numbers.values())
    lines = marked.read_text().splitlines() if marked.exists() else []
    for line in lines:
        source, offset = line.split(" ")
        assert int(offset) <= progress[numbers[source]], f"{source} may be committed to {offset}"


def assert_exact(store: Store, truth: Store) -> None:
    assert assert_same_states(store, truth, SETTINGS.interest) == Run("", "").users


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
    children: Children, truth: Store, step: str
) -> None:
    """Killed at its first, second and third passing of a step, and once more in the next run; then run to the end."""
    with quick_folder() as folder:
        location, marked = str(folder / "s"), folder / "marked"
        for nth in (1, 2, 3, 1):
            status = children.run(Run(location, str(marked), step, nth))
            assert status == -signal.SIGKILL, f"the step {step!r} was not reached for the {nth}th time"
            if (Path(location) / "meta").exists():
                with opened(location) as store:
                    assert_nothing_is_committed_that_is_not_there(store, marked)
        assert children.run(Run(location, str(marked))) == 0
        with opened(location) as store:
            assert_exact(store, truth)


class KillingServer(QdrantServer):
    """A server that kills a process at a request of its, before it is looked at or before it is answered."""

    pid = 0
    method = ""
    """the request at which it kills, of any kind if empty"""
    left = 0
    applied = False
    asked: Counter[str]
    """how often each was asked while a process was watched"""

    def watch(self, pid: int, method: str = "", left: int = 0, applied: bool = False) -> None:
        """Kill the process at the `left`-th request of a method from now on; never if 0."""
        self.asked = Counter()
        self.method, self.left, self.applied, self.pid = method, left, applied, pid

    def answer(self, method: str, call: Any, request: Any, context: Any) -> Any:
        """As a server does, but for the one request."""
        name = method.rpartition("/")[2]
        with self._lock:
            watched = bool(self.pid)
            if watched:
                self.asked[name] += 1
            chosen = watched and name == self.method and self.asked[name] == self.left
        if chosen and not self.applied:
            os.kill(self.pid, signal.SIGKILL)
        answer = super().answer(method, call, request, context)
        if chosen and self.applied:
            os.kill(self.pid, signal.SIGKILL)
        return answer


@pytest.mark.server
@pytest.mark.parametrize("seed", range(4))
def test_a_worker_killed_between_any_two_requests_loses_and_doubles_nothing(
    children: Children, truth: Store, seed: int
) -> None:
    """Before or after a claim, a read, a write, a count, a look at progress or its rise: the next run makes it good."""
    rng = random.Random(seed)
    with quick_folder() as folder, KillingServer(folder / "q") as server:
        marked, killed_at = folder / "marked", set()
        open_intake(server.url, SETTINGS, create=True).close()
        for method in (
            "Upsert",
            "Get",
            "Scroll",
            "Count",
            "Upsert",
            "Get",
            "Upsert",
            "Scroll",
            "Upsert",
            "Get",
        ):
            applied = rng.random() < 0.5
            server.watch(children.start(Run(server.url, str(marked))), method, rng.randrange(1, 12), applied)
            status = children.wait()
            server.pid = 0
            assert status in (0, -signal.SIGKILL)
            if status:
                killed_at.add(method)
            with opened(server.url) as store:
                assert_nothing_is_committed_that_is_not_there(store, marked)
        assert {"Upsert", "Get"} <= killed_at, f"killed at {killed_at} only"
        assert children.run(Run(server.url, str(marked))) == 0
        with opened(server.url) as store:
            assert_exact(store, truth)
