"""A log whose items' words say who takes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from support.data.event_columns import event

KINDS = ("red", "green", "motor", "bread")


def write_worded_log(folder: Path, users: int = 40, steps: int = 12) -> tuple[Path, Path]:
    """Writes events and a catalogue of 4 kinds of 12 items; each user takes items of one kind, none twice, one an hour."""
    rng = np.random.default_rng(0)
    items = [
        {"item_id": f"{kind}{n}", "title": f"{kind} {chr(97 + n)}", "scenario": f"s{n % 2}"}
        for kind in KINDS
        for n in range(12)
    ]
    events = []
    for user in range(users):
        kind = KINDS[user % len(KINDS)]
        for step, n in enumerate(rng.permutation(12)[:steps].tolist()):
            row = event(f"u{user}", f"{kind}{n}", at=step * 3600.0 + user, scenario=f"s{n % 2}")
            events.append({**row, "event_id": f"e{user}-{step}", "action": "click"})
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("events", events), ("items", items)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "events.jsonl", folder / "items.jsonl"
