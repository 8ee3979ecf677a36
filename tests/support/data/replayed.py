"""Logs of a few busy users, replayed into a store, and what the store then has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.event_log.log import open_logs
from streams.ingest.intake import Intake, open_intake
from streams.replay.replay import ReplaySummary, replay
from streams.settings import Settings
from support.checks.states import states_of
from support.data.event_columns import NOW

ACTIONS = ("browse", "click", "purchase")
Row = dict[str, Any]


def busy_rows(start: int, end: int) -> list[Row]:
    """Rows `start` to before `end` of an endless log of three users, each far beyond the ring of recent events. They have no
    event ids, so that nothing but their source tells that they were applied."""
    return [
        {
            "user_id": f"user{n % 3}",
            "timestamp": NOW - 900_000 + n * 7.0,
            "scenario": ("books", "games")[n // 50 % 2],
            "item_id": f"item{n * 7 % 40}",
            "action": ACTIONS[n % 3],
        }
        for n in range(start, end)
    ]


def replayed(place: str, *paths: Path, batch_rows: int = 250, **options: Any) -> ReplaySummary:
    """Replay files into the store at `place`, as one run of the command does."""
    with open_intake(place, Settings(), create=True) as intake:
        return replay(intake, open_logs(paths, now=NOW, batch_rows=batch_rows), **options)


def counts_of(intake: Intake) -> dict[str, int]:
    """Events that each user's state has."""
    users, states, _ = states_of(intake.store, intake.workspace.interest)
    return dict(zip(users, states.n_events.tolist(), strict=True))


def counts_in(place: str) -> dict[str, int]:
    """The same of the store at `place`."""
    with open_intake(place, Settings(), create=True) as intake:
        return counts_of(intake)


def counts_expected(rows: Sequence[Row]) -> dict[str, int]:
    """Each row once."""
    found: dict[str, int] = {}
    for row in rows:
        found[row["user_id"]] = found.get(row["user_id"], 0) + 1
    return found
