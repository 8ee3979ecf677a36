"""Processes that add numbers to users drawn at random, all at once, and what the users should come to.

A user's state is a sum, and its marks say which additions of which lane are in it: what the daemon does with events, as
small as can be. Each process has a store of its own, a cache that its lanes share, and lanes in threads; a lane locks the
users of a round from reading to the acknowledgement, as a flush does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sinks.errors import StoreUnavailable
from sinks.points import UserPoints, UserRecord
from sinks.protocols import Store
from sinks.writer import LOST, NEW
from support.data.store_points import DIM

Sum = tuple[int, dict[str, int]]
"""What was added, and per lane the last round that is in it."""


def sum_points(users: Sequence[str], sums: Sequence[Sum]) -> UserPoints:
    """The users' points."""
    n = len(users)
    return UserPoints(
        user_ids=list(users),
        fused=np.eye(1, DIM, dtype=np.float32).repeat(n, axis=0),
        interests=np.empty((0, DIM), np.float32),
        interest_offsets=np.zeros(n + 1, np.int64),
        states=[total.to_bytes(8, "little") + bytes(200) for total, _ in sums],
        watermarks=[dict(marks) for _, marks in sums],
        weights=[{"toys": 1.0}] * n,
        updated_at=np.full(n, 1e9),
    )


def sum_of(record: UserRecord | None) -> Sum:
    """What a user came to."""
    if record is None:
        return 0, {}
    return int.from_bytes(record.state[:8], "little"), record.watermarks


@dataclass
class Process:
    """One store, one cache: by user the hold and the sum."""

    store: Store
    cache: dict[str, tuple[int, Sum]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._busy: set[str] = set()
        self._free = threading.Condition()

    @contextmanager
    def locked(self, users: set[str]) -> Any:
        """All of them, for one lane."""
        with self._free:
            self._free.wait_for(lambda: not users & self._busy)
            self._busy |= users
        try:
            yield
        finally:
            with self._free:
                self._busy -= users
                self._free.notify_all()


class Lane(threading.Thread):
    """Adds; `truth` is what it meant to."""

    def __init__(self, number: int, process: Process, users: Sequence[str], rounds: int, most: int) -> None:
        super().__init__(daemon=True)
        self._name, self._process, self._users = str(number), process, users
        self._rounds, self._most, self._rng = rounds, most, random.Random(number)
        self.truth: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for mark in range(1, self._rounds + 1):
                chosen = self._rng.sample(self._users, self._rng.randint(1, self._most))
                todo = {user: self._rng.randrange(1, 5) for user in chosen}
                self.truth.update(todo)
                with self._process.locked(set(todo)):
                    self._add(mark, todo)
        except BaseException as error:
            self.failure = error

    def _add(self, mark: int, todo: dict[str, int]) -> None:
        for attempt in range(400):
            try:
                self._once(mark, todo)
            except StoreUnavailable:
                self._process.counts["unanswered"] += 1
                for user in todo:
                    self._process.cache.pop(user, None)
            if not todo:
                return
            time.sleep(self._rng.random() * min(0.002 * 2**attempt, 0.2))
        raise AssertionError("a lane came to no end")

    def _once(self, mark: int, todo: dict[str, int]) -> None:
        cache, users = self._process.cache, self._process.store.users
        missing = [user for user in todo if user not in cache]
        claim = users.claim(missing)
        for user, hold, record in zip(missing, claim.holds, claim.records, strict=True):
            if hold != LOST:
                cache[user] = hold, sum_of(record)
        self._process.counts["lost"] += claim.holds.count(LOST)
        for user in [user for user in todo if user in cache]:
            if cache[user][1][1].get(self._name, 0) >= mark:
                del todo[user]  # it was taken before its owner changed, or by a late request
        held = [user for user in todo if user in cache]
        sums = [(cache[user][1][0] + todo[user], {**cache[user][1][1], self._name: mark}) for user in held]
        holds = [cache[user][0] for user in held]
        taken = users.write(sum_points(held, sums), holds, token=claim.token)
        for user, hold, wanted, ok in zip(held, holds, sums, taken.tolist(), strict=True):
            if ok:
                cache[user] = (claim.token if hold == NEW else hold), wanted
                del todo[user]
            else:
                del cache[user]
                self._process.counts["refused"] += 1


def wrong_users(
    processes: Sequence[Process],
    users: Sequence[str],
    *,
    lanes: int = 2,
    rounds: int = 12,
    most: int = 30,
    settle: Callable[[], None] = lambda: None,
) -> int:
    """Let all lanes of all processes add, then how many users came to something else than they should."""
    crew = [
        Lane(number, process, users, rounds, most)
        for number, process in enumerate(process for process in processes for _ in range(lanes))
    ]
    for lane in crew:
        lane.start()
    for lane in crew:
        lane.join()
    for lane in crew:
        if lane.failure is not None:
            raise lane.failure
    settle()
    truth: Counter[str] = Counter()
    for lane in crew:
        truth.update(lane.truth)
    found = processes[0].store.users.read(users)
    return sum(sum_of(record)[0] != truth[user] for user, record in zip(users, found, strict=True))
