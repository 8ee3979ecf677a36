"""What does a start cost that finds all its users in the store and none in memory, against one that continues? One JSON line.

    python benchmarks/cold_start.py [--users 20000] [--batch 1000] [--rounds 3]

Users come a batch at a time, each once, through the daemon's own functions: decoded columns to confirmed points and raised
progress. The phases, in users a second, and as ratios to `warm`, the baseline, in which all of them are in memory:

- `new`: the store does not know them: claimed, found absent, inserted, read back;
- `cold`: a process that has just started: claimed from the one before, read, written;
- `switched`: a process that has just started on a store that `rebuild` has switched to another model;
- `in turn`: two processes that write the same users in turn, the worst placement there is: each write is refused first.

Where DRIFTLINE_TEST_QDRANT names a Qdrant (and DRIFTLINE_TEST_QDRANT_API_KEY its key) it is used; else the small server of the
tests, in a process of its own, which does as a Qdrant does at a fraction of its speed. `folder` is the embedded store.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.servers.store import running_store
from benchmarks.workloads.report import where
from benchmarks.workloads.warm import warm_items
from sinks.open import open_store
from streams.events.columns import EventColumns
from streams.events.event import TimeLimits
from streams.events.validate import RawEvents, assemble
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from streams.workspace.rebuild import rebuild
from streams.workspace.transfer_model import version_of
from transfer.analytic.model import AnalyticTransfer

ITEMS = [f"item-{number}" for number in range(200)]
NOW = 1_700_000_000.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "cold_start", "users": options.users, "batch": options.batch}
    with tempfile.TemporaryDirectory() as name:
        result["folder"] = measured(f"{name}/store", {}, options, together=False)
        with running_store(Path(name)) as server:
            result["server"] = measured(server.url, {"store": server.flags()}, options, together=True)
    print(json.dumps(result | {"server is": server.words} | where(None)))


def measured(
    location: str, flags: dict[str, Any], options: argparse.Namespace, *, together: bool
) -> dict[str, Any]:
    """Users a second of each phase, medians of the rounds but for the first time; and the ratios."""
    settings = Settings.load(None, flags)
    other = settings.model_copy(
        update={"transfer": settings.transfer.model_copy(update={"short_term_share": 0.9})}
    )
    rates: dict[str, list[float]] = {}
    clock = Clock(options.users, options.batch)
    with open_intake(location, settings, create=True) as intake:
        warm_items(intake, ITEMS)
        rates["new"] = [clock.rate(intake)]
        rates["warm"] = [clock.rate(intake) for _ in range(options.rounds)]
    rates["cold"] = []
    for _ in range(options.rounds):
        with open_intake(location, settings, create=False) as intake:
            rates["cold"].append(clock.rate(intake))
    if together:
        with (
            open_intake(location, settings, create=False) as one,
            open_intake(location, settings, create=False) as two,
        ):
            clock.rate(one)
            rates["in turn"] = [clock.rate((two, one)[number % 2]) for number in range(2 * options.rounds)][
                1:
            ]
    with open_store(location, settings.store, settings.interest.dim, create=False) as store:
        model = AnalyticTransfer(other.interest, other.transfer)
        rebuild(store, other.interest, model, version_of(model, other.transfer))
    with open_intake(location, other, create=False) as intake:
        rates["switched"] = [clock.rate(intake)]
    medians = {phase: statistics.median(values) for phase, values in rates.items()}
    return {
        phase: {"users_per_s": round(rate), "ratio": round(rate / medians["warm"], 3)}
        for phase, rate in medians.items()
    }


class Clock:
    """Gives every user one more event, and says how many users a second that were."""

    def __init__(self, users: int, batch: int) -> None:
        self._users, self._batch = users, batch
        self._offset = 0

    def rate(self, intake: Intake) -> float:
        """Users a second over all users."""
        began = time.perf_counter()
        for start in range(0, self._users, self._batch):
            columns = _events(range(start, min(start + self._batch, self._users)), self._offset)
            self._offset += len(columns)
            intake.ingest.apply(columns)
            intake.ingest.advance({columns.sources[0]: self._offset})
        return self._users / (time.perf_counter() - began)


def _events(numbers: range, offset: int) -> EventColumns:
    count = len(numbers)
    codes = np.arange(count, dtype=np.int32)
    raw = RawEvents(
        user=codes,
        users=[f"user-{number:07d}" for number in numbers],
        item=codes % len(ITEMS),
        items=ITEMS,
        scenario=codes % 3,
        scenarios=["books", "games", "music"],
        text=np.full(count, -1, np.int32),
        texts=[],
        time=NOW + offset + np.arange(count, dtype=np.float64),
        action=np.ones(count, np.uint8),
        offset=offset + np.arange(count, dtype=np.int64),
        event_ids=[f"{offset}-{number}" for number in numbers],
    )
    return assemble(raw, source="benchmark/clicks/0", now=NOW + 1e9, limits=TimeLimits(max_future_s=1e9))[0]


if __name__ == "__main__":
    main()
