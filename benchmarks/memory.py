"""How much memory does a worker hold against the users that it has seen? One JSON line with the series.

    python benchmarks/memory.py            1,000 to 100,000 users, a cache of 10,000     (about a minute)
    python benchmarks/memory.py --full     1,000 to 1,000,000 users, a cache of 100,000  (some minutes)

Simulated users arrive 4,000 events at a time and go through the daemon's own functions (decoded columns to acknowledged
points) into the embedded store on disk; of each batch a tenth are users of before, most of whom the cache has let go, so
that they are read back. Beyond `daemon.user_cache` users a worker should grow no more. What the engine holds is told
apart by the baseline, run in the same call: a process that writes points of the same size to such a store and does nothing
else. Both report resident memory as anonymous and file-backed (the engine maps its segments: those pages can be dropped).

`growth` is the slope beyond the cache's bound, bytes a user: of the process, of the store alone, and the worker's, which is
the difference of their anonymous memory. 32 dimensions by default, to keep a million users on a small disk.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.drain import points_of
from benchmarks.workloads.events import SCENARIOS, item_ids
from benchmarks.workloads.process import in_own_process
from benchmarks.workloads.report import where
from benchmarks.workloads.resident import MIB, resident
from benchmarks.workloads.warm import warm_items
from sinks.points import UserPoints
from sinks.writer import NEW
from streams.events.columns import EventColumns
from streams.ingest.intake import open_intake
from streams.settings import Settings
from transfer.config import ACTIONS

BATCH = 4000
REVISITS = BATCH // 10
Series = list[dict[str, float]]


def main() -> None:
    """Measure and print."""
    options = _options()
    milestones = [
        users
        for users in (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
        if users <= options.users
    ]
    flags = _flags(options.cache, options.dim)
    with tempfile.TemporaryDirectory() as name:
        worker, stored = in_own_process(worker_series, flags, Path(name) / "worker", milestones)
        alone = in_own_process(store_series, flags, Path(name) / "alone", milestones)
    print(
        json.dumps(
            {
                "benchmark": "memory",
                "user_cache": options.cache,
                "dim": options.dim,
                "state_bytes_per_user": stored,
                "worker": worker,
                "baseline": "a process that only writes points of this size to an embedded store",
                "store_alone": alone,
                "growth": _growth(worker, alone, options.cache),
                **where(None),
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="to a million users")
    parser.add_argument("--users", type=int, help="to this many users")
    parser.add_argument("--cache", type=int, help="daemon.user_cache")
    parser.add_argument("--dim", type=int, default=32)
    options = parser.parse_args()
    options.users = options.users or (1_000_000 if options.full else 100_000)
    options.cache = options.cache or (100_000 if options.full else 10_000)
    return options


def _flags(cache: int, dim: int) -> dict[str, Any]:
    return {"daemon": {"user_cache": cache}, "interest": {"dim": dim}, "encoder": {"dim": dim}}


def worker_series(flags: dict[str, Any], folder: Path, milestones: list[int]) -> tuple[Series, int]:
    """Memory at each number of users, and the mean bytes of a packed state."""
    settings = Settings.load(None, flags)
    series: Series = []
    with open_intake(str(folder), settings, create=True) as intake:
        warm_items(intake, item_ids())
        for users, columns in event_batches(milestones):
            intake.ingest.apply(columns)
            if users in milestones:
                series.append(_row(users) | {"cached_users": len(intake.ingest.cache)})
        found = intake.store.users.read([_user(number) for number in range(1000)])
    return series, round(sum(len(user.state) for user in found if user is not None) / len(found))


def store_series(flags: dict[str, Any], folder: Path, milestones: list[int]) -> Series:
    """The same of a process that only writes points: those of one batch, under ever new names."""
    settings = Settings.load(None, flags)
    series: Series = []
    with open_intake(str(folder / "template"), settings, create=True) as intake:
        for _, columns in event_batches([BATCH]):
            intake.ingest.apply(columns)
        found = intake.store.users.read([_user(number) for number in range(BATCH)], with_vectors=True)
    template = points_of([user for user in found if user is not None])
    del intake, found
    with open_intake(str(folder / "store"), settings, create=True) as intake:
        for users, columns in event_batches(milestones):
            intake.store.users.write(_renamed(template, columns.users), [NEW] * len(columns.users))
            if users in milestones:
                series.append(_row(users))
    return series


def event_batches(milestones: list[int]) -> Iterator[tuple[int, EventColumns]]:
    """(users so far, batch): mostly new users, a tenth of those before; each milestone is the end of a batch."""
    rng = np.random.default_rng(1)
    offset = seen = 0
    for milestone in milestones:
        while seen < milestone:
            fresh = np.arange(seen, min(milestone, seen + BATCH - REVISITS))
            again = rng.integers(0, seen, REVISITS) if seen else fresh[:0]
            seen += len(fresh)
            numbers, user = np.unique(np.concatenate([fresh, again]), return_inverse=True)
            count = len(user)
            scenario = (numbers[user] * 7 + rng.integers(3, size=count) * 5) % SCENARIOS
            items, item = np.unique(rng.integers(0, 10_000, count), return_inverse=True)
            yield (
                seen,
                EventColumns(
                    user=user.astype(np.int32),
                    users=[_user(number) for number in numbers.tolist()],
                    item=item.astype(np.int32),
                    items=[f"item-{number:06d}" for number in items.tolist()],
                    scenario=scenario.astype(np.int32),
                    scenarios=[f"scenario {number}" for number in range(SCENARIOS)],
                    text=np.full(count, -1, np.int32),
                    texts=[],
                    time=time.time() + np.arange(count) / count,
                    action=rng.choice(len(ACTIONS), count).astype(np.uint8),
                    key=rng.integers(1, 2**63, count).astype(np.uint64),
                    source=np.zeros(count, np.int32),
                    sources=["benchmark/clicks/0"],
                    offset=np.arange(offset, offset + count),
                ),
            )
            offset += count


def _user(number: int) -> str:
    return f"user-{number:07d}"


def _row(users: int) -> dict[str, float]:
    now = resident()
    return {
        "users": users,
        "rss_mib": now.total_mib,
        "anonymous_mib": now.anonymous_mib,
        "file_mib": now.file_mib,
    }


def _renamed(template: UserPoints, users: list[str]) -> UserPoints:
    n = len(users)
    offsets = template.interest_offsets[: n + 1]
    return UserPoints(
        user_ids=users,
        fused=template.fused[:n],
        interests=template.interests[: offsets[-1]],
        interest_offsets=offsets,
        states=template.states[:n],
        watermarks=template.watermarks[:n],
        weights=template.weights[:n],
        updated_at=template.updated_at[:n],
    )


def _growth(worker: Series, alone: Series, cache: int) -> dict[str, float]:
    """Bytes a user from the first milestone at or beyond twice the cache's bound to the last."""
    first = next((row for row in worker if row["users"] >= 2 * cache), worker[-1])
    last = worker[-1]
    users = last["users"] - first["users"]
    if not users:
        return {}
    start, end = (next(row for row in alone if row["users"] == at["users"]) for at in (first, last))

    def slope(one: dict[str, float], other: dict[str, float], name: str) -> float:
        return round((other[name] - one[name]) * MIB * MIB / users, 1)

    process, store = slope(first, last, "anonymous_mib"), slope(start, end, "anonymous_mib")
    return {
        "from_users": first["users"],
        "process_anonymous_bytes_per_user": process,
        "store_alone_anonymous_bytes_per_user": store,
        "worker_bytes_per_user": round(process - store, 1),
        "process_rss_bytes_per_user": slope(first, last, "rss_mib"),
    }


if __name__ == "__main__":
    main()
