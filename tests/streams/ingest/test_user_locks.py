"""Locks of users: never two threads at one user, never a standstill, nobody overtaken."""

from __future__ import annotations

import random
import threading
import time

from streams.ingest.user_locks import UserLocks


def test_no_user_is_held_by_two_threads_and_all_get_their_turn() -> None:
    """Whatever sets of users threads ask for, in whatever order, they all come to an end."""
    locks, held, clashes = UserLocks(), set[str](), []
    users = [f"u{n}" for n in range(12)]

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            mine = rng.sample(users, rng.randrange(1, 9))
            with locks.of(mine):
                clashes.extend(held & set(mine))
                held.update(mine)
                time.sleep(0.0005)
                held.difference_update(mine)

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "threads wait for each other"
    assert not clashes


def test_who_waits_for_several_users_is_not_overtaken_for_ever() -> None:
    """A large flush gets its users although small ones ask for some of them all the time."""
    locks, order = UserLocks(), list[str]()
    release = threading.Event()

    def hold(name: str, users: list[str]) -> None:
        with locks.of(users):
            order.append(name)
            if name == "first":
                release.wait(10)

    threads = []
    for name, users in (("first", ["a"]), ("large", ["a", "b"]), ("small", ["b"]), ("apart", ["c"])):
        thread = threading.Thread(target=hold, args=(name, users), daemon=True)
        thread.start()
        threads.append(thread)
        deadline = time.monotonic() + 10
        # "first" and "apart" hold at once, the others queue: wait until each has arrived.
        while time.monotonic() < deadline and len(order) + len(locks._waiting) < len(threads):
            time.sleep(0.001)
    threads[3].join(10)
    assert order == ["first", "apart"]
    release.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "apart", "large", "small"]


def test_an_error_lets_go() -> None:
    """Users that a failed flush held are free."""
    locks = UserLocks()
    for _ in range(2):
        try:
            with locks.of(["a", "b"]):
                raise RuntimeError
        except RuntimeError:
            pass
    with locks.of(["b"]):
        pass
