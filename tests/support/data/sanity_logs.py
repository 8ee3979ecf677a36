"""Logs whose right answers are known, each with its parts: what a judge and every method must read on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.split import Split
from support.data.histories import Shopping, history_of


@dataclass(frozen=True)
class SanityLog:
    """A log and its parts."""

    history: History
    split: Split


def never_seen(users: int = 60, items: int = 60) -> SanityLog:
    """Everybody takes the next item that nobody had before, all in the same second: nothing can be known of it."""
    rows = [(f"u{user}", f"i{step}", 1000.0 * step, "s") for step in range(items) for user in range(users)]
    return cut(rows, (0.8, 0.9))


def at_random(users: int = 15, items: int = 40, events: int = 1800, test: float = 0.5) -> SanityLog:
    """Users take any item, all alike: nothing is to predict. All items were seen before the last parts begin."""
    rng = np.random.default_rng(11)
    rows = [
        (f"u{rng.integers(users)}", f"i{rng.integers(items)}", 600.0 * step, f"s{rng.integers(2)}")
        for step in range(events)
    ]
    return cut(rows, (0.95 - test, 1 - test))


def cycle(users: int = 12, items: int = 15, events: int = 1200) -> SanityLog:
    """Each user goes through all items in one order, for ever: the latest item says all about the next one."""
    rows = []
    for step in range(events):
        user, nth = step % users, step // users
        rows.append((f"u{user}", f"i{(7 * user + nth) % items}", 60.0 * step, "s"))
    return cut(rows, (0.8, 0.9))


def faithful(users: int = 40, events: int = 1200) -> SanityLog:
    """Each user comes back to one item, in any order: the user's own items say all."""
    rng = np.random.default_rng(5)
    rows = [(f"u{user}", f"i{user}", 60.0 * user, "s") for user in range(users)]
    for step in range(events):
        user = rng.integers(users)
        rows.append((f"u{user}", f"i{user}", 60.0 * (users + step), "s"))
    return cut(rows, (0.8, 0.9))


def growing(users: int = 15, events: int = 1200) -> SanityLog:
    """A new item comes every 20 events, so that a tenth of all are not there before the test part."""
    rng = np.random.default_rng(8)
    rows = [
        (f"u{rng.integers(users)}", f"i{rng.integers(1 + step // 20)}", 600.0 * step, "s")
        for step in range(events)
    ]
    return cut(rows, (0.8, 0.9))


def one_moment(users: int = 30, items: int = 30) -> SanityLog:
    """Everything happened at once: nothing is earlier than anything. The parts are given, since no split can make them."""
    rng = np.random.default_rng(2)
    rows = [
        (f"u{user}", f"i{item}", 5.0, "s")
        for user in range(users)
        for item in rng.choice(items, 3, replace=False)
    ]
    history = history_of(rows)
    third = np.array_split(np.arange(len(history)), 3)
    return SanityLog(history, Split("time", third[0], third[1], third[2], True))


def cut(rows: list[Shopping], at: tuple[float, float]) -> SanityLog:
    """Parts by shares of the events, whatever their size."""
    history = history_of(rows)
    time = history.time
    begin, end = np.quantile(time, at, method="higher").tolist()
    train = np.flatnonzero(time < begin)
    return SanityLog(
        history,
        Split(
            "time",
            train[np.argsort(time[train], kind="stable")],
            np.flatnonzero((time >= begin) & (time < end)),
            np.flatnonzero(time >= end),
            True,
        ),
    )
