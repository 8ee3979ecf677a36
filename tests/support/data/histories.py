"""Small logs as a History, read from a file as a command reads them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streams.event_log.log import open_logs
from streams.learning.history import History, load_history
from support.data.event_columns import NOW, event

Shopping = tuple[str, str, float, str]
"""user, item ("" for an event of text alone), seconds, scenario."""


def history_of(rows: Sequence[Shopping]) -> History:
    """A history of clicks."""
    events = [
        event(user, item or None, at=at, scenario=scenario, text=None if item else "a question")
        for user, item, at, scenario in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_text("".join(json.dumps({**row, "action": "click"}) + "\n" for row in events))
        return load_history(open_logs([path], now=NOW + 1e9))


def random_history(
    seed: int = 0, users: int = 12, items: int = 30, events: int = 600, in_scenarios: bool = True
) -> History:
    """Baskets of one to four items; with `in_scenarios` each item is in one scenario only, otherwise anywhere."""
    rng = np.random.default_rng(seed)
    rows: list[Shopping] = []
    at = 0.0
    while len(rows) < events:
        at += float(rng.integers(1, 5000))
        user = f"u{rng.integers(users)}"
        for item in rng.choice(items, rng.integers(1, 5), replace=False).tolist():
            item = item if rng.random() < 0.5 else item % 7
            place = item % 3 if in_scenarios else rng.integers(3)
            rows.append((user, f"i{item}", at, f"s{place}"))
    return history_of(rows)
