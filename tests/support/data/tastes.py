"""A log of users with tastes: what everybody likes tells nothing, and what some like tells which taste they have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from streams.event_log.log import open_logs
from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from streams.learning.history import History, load_history
from support.data.event_columns import NOW, event
from transfer.config import InterestConfig

TASTES, HITS, OF_A_TASTE = 4, 6, 12


def taste_rows(users: int = 360, seed: int = 0, likes_alone: bool = False) -> list[dict[str, object]]:
    """Everybody likes the hits `h0`..; of the items of one's own taste (`t2-5`) one likes most, of the others one knows a few
    and likes none. A like is a purchase, anything else a browse; likes_alone: and is left out."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        names = [f"h{item}" for item in range(HITS) if rng.random() < 0.8]
        liked = dict.fromkeys(names, True)
        for taste in range(TASTES):
            own = taste == user % TASTES
            for item in range(OF_A_TASTE):
                if rng.random() < (0.7 if own else 0.15):
                    liked[f"t{taste}-{item}"] = own
        for name in rng.permutation(list(liked)).tolist():
            if liked[name] or not likes_alone:
                action = "purchase" if liked[name] else "browse"
                at = -3600.0 * rng.integers(1, 1000)
                scenario = name.partition("-")[0] if name.startswith("t") else "hits"
                rows.append({**event(f"u{user}", name, at=at, scenario=scenario), "action": action})
    return rows


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    """As JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def taste_history(
    folder: Path, rows: list[dict[str, object]], interest: InterestConfig | None = None
) -> History:
    """Through the real reader."""
    interest = interest or InterestConfig()
    description = EventDescription(EventsConfig(), interest.action_names)
    log = open_logs([write_rows(folder / "tastes.jsonl", rows)], description, now=NOW + 1e6)
    return load_history(log, interest=interest)
