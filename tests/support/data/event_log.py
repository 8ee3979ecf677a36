"""A log of events for load: Zipf users, so that the busiest overrun their ring of recent events within one fetch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.data.event_columns import NOW

ACTIONS = ("browse", "click", "purchase")
TOPICS = ("browses", "clicks", "purchases")
SCENARIOS = ("books", "games", "garden", "kitchen", "music", "sports")
ITEMS_A_USER = 100
STEP_S = 2.0

Record = tuple[str, bytes, bytes]
"""Topic, key, value."""


@dataclass(frozen=True)
class EventLog:
    """Columns of the log, one entry an event, in the order of their times; every event id is there once.

    At most `ITEMS_A_USER` items and six scenarios a user: below the bounds up to which a state is exact under any
    order, since the three topics reach the daemon in any order.
    """

    user: np.ndarray
    item: np.ndarray
    scenario: np.ndarray
    action: np.ndarray

    @classmethod
    def drawn(cls, events: int, users: int, seed: int, exponent: float = 1.1) -> EventLog:
        """The same log for the same arguments; user `n` acts in proportion to (n + 1) ** -exponent."""
        rng = np.random.default_rng(seed)
        share = (np.arange(users) + 1.0) ** -exponent
        user = rng.choice(users, events, p=share / share.sum())
        home = rng.integers(len(SCENARIOS), size=users)[user]
        moved = np.arange(events) > events // 2
        scenario = (home + moved + (rng.random(events) < 0.2) * rng.integers(6, size=events)) % len(SCENARIOS)
        item = user * 37 % 5000 + rng.integers(ITEMS_A_USER, size=events)
        return cls(user, item, scenario, rng.choice(3, events, p=[0.7, 0.25, 0.05]))

    def __len__(self) -> int:
        return len(self.user)

    def counts(self) -> dict[str, int]:
        """Events by user id."""
        users, counts = np.unique(self.user, return_counts=True)
        return {f"user{user}": count for user, count in zip(users.tolist(), counts.tolist(), strict=True)}

    def write(self, path: Path) -> Path:
        """As a Parquet file that `driftline replay` takes."""
        table = {
            "event_id": [f"e{n}" for n in range(len(self))],
            "user_id": [f"user{user}" for user in self.user.tolist()],
            "timestamp": NOW - 86400 + np.arange(len(self)) * STEP_S,
            "scenario": [SCENARIOS[code] for code in self.scenario.tolist()],
            "item_id": [f"item{item}" for item in self.item.tolist()],
            "action": [ACTIONS[code] for code in self.action.tolist()],
        }
        pq.write_table(pa.table(table), path)
        return path

    def records(self, prefix: str) -> list[Record]:
        """As records of the three topics, keyed by user."""
        columns = zip(
            self.user.tolist(), self.item.tolist(), self.scenario.tolist(), self.action.tolist(), strict=True
        )
        found = []
        for n, (user, item, scenario, action) in enumerate(columns):
            event = {
                "event_id": f"e{n}",
                "user_id": f"user{user}",
                "timestamp": NOW - 86400 + n * STEP_S,
                "scenario": SCENARIOS[scenario],
                "item_id": f"item{item}",
            }
            found.append((prefix + TOPICS[action], f"user{user}".encode(), json.dumps(event).encode()))
        return found
