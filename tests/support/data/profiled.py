"""Logs of a known kind, and what is profiled of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams.event_log.log import open_logs
from streams.learning.history import History, load_history

NOW = 1_700_000_000.0
DAY_S = 86400.0
Row = dict[str, Any]


def row(user: int, item: int, at: float, scenario: str = "s0", action: str = "click") -> Row:
    """An event at `at` seconds after a Monday of 2023."""
    return {
        "user_id": f"u{user}",
        "item_id": f"i{item}",
        "timestamp": 1_690_156_800.0 + at,
        "scenario": scenario,
        "action": action,
    }


def write_log(path: Path, rows: Sequence[Row]) -> Path:
    """As a Parquet file."""
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def history_of(folder: Path, rows: Sequence[Row]) -> History:
    """Through the real reader."""
    return load_history(open_logs([write_log(folder / "log.parquet", rows)], now=NOW))


def sessions(seed: int = 0, users: int = 80, events: int = 25) -> list[Row]:
    """Half a minute between events; the next is most likely the item of a moment ago. Users come one after the other."""
    rng = np.random.default_rng(seed)
    log = []
    for user in range(users):
        at, recent = user * 3600.0, [int(rng.integers(200))]
        for _ in range(events):
            if rng.random() < 0.6:
                recent.append(recent[-1] if rng.random() < 0.8 else recent[int(rng.integers(len(recent)))])
            else:
                recent.append(int(rng.integers(200)))
            log.append(row(user, recent[-1], at, f"s{rng.integers(3)}"))
            at += float(np.round(rng.exponential(25.0)) + 1)
    return log


def groceries(seed: int = 0, users: int = 40, trips: int = 40) -> list[Row]:
    """A basket of one to eight items every few days: habits that last, each bought at random, and something new."""
    rng = np.random.default_rng(seed)
    log = []
    for user in range(users):
        habits, at = rng.integers(300, size=12), float(rng.integers(7 * 86400))
        for _ in range(trips):
            basket = dict.fromkeys([*rng.choice(habits, 5).tolist(), int(rng.integers(300))])
            log += [row(user, item, at, f"s{item % 6}", "purchase") for item in basket]
            at += float(np.round(rng.exponential(4 * DAY_S)) + 3600)
    return log


def pages(seed: int = 0, users: int = 120) -> list[Row]:
    """Two or three items at a time, every half minute, each item once a user; some come back after weeks."""
    rng = np.random.default_rng(seed)
    log = []
    for user in range(users):
        items, at = rng.permutation(300)[:60].tolist(), float(rng.integers(90 * 86400))
        while items:
            page = [items.pop() for _ in range(min(len(items), int(rng.integers(1, 4))))]
            log += [row(user, item, at) for item in page]
            at += 20 * DAY_S if len(items) == 30 else float(rng.integers(15, 60))
    return log
