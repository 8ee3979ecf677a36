"""What an answer costs: milliseconds of processor time and of waiting for `recommend` over an embedded store, p50 and p99, by
a trained model and by the analytic one.

The store is a shop's (`benchmarks/workloads/shop.py`): by default as many items as a year of groceries has, a million
transitions, households of 300 events. The ranker is held, as a service holds it; `first_ms` is its very first answer, which
reads items and counts into memory. Requests take turns: open ones, ones that name a department, and open ones for new and for
known items alone. Memory is resident: anonymous pages before the ranker is made and after the last answer, and the most in all,
mapped files included. The ratio is to reading the user's state alone. Prints one JSON line.

    python benchmarks/recommend.py [--items 68492] [--users 100] [--k 10]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.workloads.neighbour import measured
from benchmarks.workloads.report import where
from benchmarks.workloads.resident import most_resident_mib, resident
from benchmarks.workloads.shop import DEPARTMENTS, Shop
from streams.serving.model_ranker import ranker_of
from streams.serving.recommend import Recommender, read_state
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading, open_workspace
from transfer.config import TransferConfig

MOST_CPU_MS = 40.0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=68_492)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--trained", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        print(json.dumps(measure(args)))
        return
    found = {}
    for kind in ("trained", "analytic"):
        with tempfile.TemporaryDirectory() as name:
            trained = ["--trained"] if kind == "trained" else []
            fill(args, Path(name), bool(trained))
            found[kind] = measured(__file__, [*sys.argv[1:], "--folder", name, *trained], asleep=True)
    line = {
        "benchmark": "recommend",
        "items": args.items,
        "users": args.users,
        "k": args.k,
        **found,
        "most_cpu_ms": MOST_CPU_MS,
        "met": all(each["p50"] <= MOST_CPU_MS for kind in found.values() for each in kind["cpu_ms"].values()),
        **where(None),
    }
    print(json.dumps(line))


def settings_of(folder: Path, trained: bool) -> Settings:
    """Of the store in the folder."""
    transfer = TransferConfig(model=folder / "model") if trained else TransferConfig()
    return Settings().model_copy(update={"transfer": transfer})


def fill(args: argparse.Namespace, folder: Path, trained: bool) -> None:
    """Make the store, and the model where one is asked for."""
    shop = Shop(args.items, args.users, Settings().interest.dim, args.seed)
    if trained:
        shop.write_model(folder / "model", Settings(), args.seed)
    with open_workspace(str(folder / "store"), settings_of(folder, trained), create=True) as workspace:
        shop.fill(workspace)


def measure(args: argparse.Namespace) -> dict[str, object]:
    """What one process finds that reads the store."""
    users = [f"user {number}" for number in range(args.users)]
    with open_for_reading(str(args.folder / "store"), settings_of(args.folder, args.trained)) as workspace:
        before = resident().anonymous_mib
        ranker = ranker_of(workspace)
        shown = Recommender(workspace, ranker).recommend
        first = time.perf_counter()
        shown(users[0], args.k)
        first_ms = 1000 * (time.perf_counter() - first)
        scenarios = [f"department {number % DEPARTMENTS:02}" for number in range(len(users))]
        requests: dict[str, Callable[[int], object]] = {
            "read": lambda number: read_state(workspace, users[number]),
            "open": lambda number: shown(users[number], args.k),
            "scenario": lambda number: shown(users[number], args.k, scenarios[number]),
            "new": lambda number: shown(users[number], args.k, None, "new"),
            "again": lambda number: shown(users[number], args.k, None, "again"),
        }
        for call in requests.values():
            call(0)
        cpu: dict[str, list[float]] = {name: [] for name in requests}
        wall: dict[str, list[float]] = {name: [] for name in requests}
        for number in range(len(users)):
            for name, call in requests.items():
                times = time.process_time(), time.perf_counter()
                call(number)
                cpu[name].append(1000 * (time.process_time() - times[0]))
                wall[name].append(1000 * (time.perf_counter() - times[1]))
        after = resident().anonymous_mib
    read = statistics.median(cpu["read"])
    return {
        "first_ms": round(first_ms, 1),
        "cpu_ms": {name: quantiles(values) for name, values in cpu.items()},
        "wall_ms": {name: quantiles(values) for name, values in wall.items()},
        "ratio_to_read": {name: round(statistics.median(values) / read, 1) for name, values in cpu.items()},
        "memory_mib": {
            "before": before,
            "after": after,
            "most": most_resident_mib(),
        },
    }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p99."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
    }


if __name__ == "__main__":
    main()
