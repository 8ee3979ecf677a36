"""Is a log that came through Kafka and the daemon the same as the log replayed? One JSON line.

    python benchmarks/parity_live.py events.parquet [--map scenario=department] [--events 200000] [--broker HOST:PORT]

`driftline redrive` sends the log to topics of four partitions, `run --drain` takes it into one folder, `replay` into another.
All users of both are compared, as they are stored. Of each figure the worst, and how many users are off by more than
`--tolerance`:

    stored_fused, stored_weights, stored_interests    largest difference of a component of what readers see
    fused ... top_half                                of the states, as `benchmarks/parity.py` names them

`own` promises nothing where a user's events come by several topics: their order is then another one.
Without --broker a real Kafka is used where one is found, else the embedded broker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.parity import Run, compare
from benchmarks.servers.broker import running_broker
from benchmarks.workloads.report import where
from sinks.points import UserRecord
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from transfer.arrays import F64

PARTS = ("stored_fused", "stored_weights", "stored_interests")


def main() -> None:
    """Send, drain, replay, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--map", default="", help="field=column,... as in `driftline replay`")
    parser.add_argument("--events", type=int, default=0, help="0: all")
    parser.add_argument("--broker", help="HOST:PORT")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = (
            first_rows(options.log, options.events, folder / "log.parquet") if options.events else options.log
        )
        mapping = ["--map", options.map] if options.map else []
        with running_broker(options.broker, folder) as (broker, words):
            to = ["--broker", broker.url, "--prefix", "parity-"]
            sent = driftline("redrive", str(log), *mapping, *to)
            live = driftline(
                *("run", *to, "--store", str(folder / "live"), "--group", "parity", "--drain"),
                *("--metrics-port", "0"),
            )
        replayed = driftline("replay", str(log), *mapping, "--store", str(folder / "replayed"))
        compared = compared_stores(folder / "live", folder / "replayed", options.tolerance)
    result = {
        "benchmark": "parity_live",
        "log": options.log.name,
        "sent": sent["sent"],
        "live": {
            name: live[name] for name in ("applied", "duplicates", "redelivered", "rejected", "seconds")
        },
        "replayed": {name: replayed[name] for name in ("applied", "duplicates", "rejected", "seconds")},
        **compared,
        **where(words),
    }
    print(json.dumps(result))


def first_rows(log: Path, count: int, to: Path) -> Path:
    """The beginning of a Parquet file, as a file of its own."""
    parts, rows = [], 0
    for batch in pq.ParquetFile(log).iter_batches(min(count, 65536)):
        parts.append(batch.slice(0, count - rows))
        rows += len(parts[-1])
        if rows >= count:
            break
    pq.write_table(pa.Table.from_batches(parts), to)
    return to


def driftline(*arguments: str) -> dict[str, Any]:
    """The JSON that a command ends with.

    Raises:
        RuntimeError: it failed.
    """
    command = [str(Path(sys.executable).with_name("driftline")), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"driftline {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compared_stores(one: Path, other: Path, tolerance: float) -> dict[str, Any]:
    """All users of both folders.

    Raises:
        RuntimeError: they hold other users.
    """
    settings = Settings.load(None, {})
    a, b = (_users(folder, settings) for folder in (one, other))
    if list(a) != list(b):
        raise RuntimeError(f"{len(a)} users live, {len(b)} replayed, {len(a.keys() & b.keys())} in both")
    worst = {name: np.zeros(len(a)) for name in PARTS}
    for row, (x, y) in enumerate(zip(a.values(), b.values(), strict=True)):
        differences = (_apart(x.fused, y.fused), _weights_apart(x, y), _apart(x.interests, y.interests))
        for name, difference in zip(PARTS, differences, strict=True):
            worst[name][row] = difference
    runs = [Run([record.state for record in side.values()], 0.0) for side in (a, b)]
    states = compare(runs[0], runs[1], np.arange(len(a)), settings.interest, tolerance)
    states.pop("events_per_cpu_s")
    return {
        "users": len(a),
        **{name: _told(values, tolerance) for name, values in worst.items()},
        **states,
    }


def _users(folder: Path, settings: Settings) -> dict[str, UserRecord]:
    with open_for_reading(str(folder), settings) as workspace:
        pages = workspace.store.users.scan(500, with_vectors=True)
        found = {record.user_id: record for page in pages for record in page}
    return dict(sorted(found.items()))


def _told(values: F64, tolerance: float) -> dict[str, float | int]:
    return {"worst": float(f"{values.max(initial=0.0):.2g}"), "off": int((~(values <= tolerance)).sum())}


def _apart(x: np.ndarray | None, y: np.ndarray | None) -> float:
    if x is None or y is None or x.shape != y.shape:
        return np.inf
    return float(np.abs(x.astype(np.float64) - y).max(initial=0.0))


def _weights_apart(x: UserRecord, y: UserRecord) -> float:
    if x.weights.keys() != y.weights.keys():
        return np.inf
    return max((abs(weight - y.weights[name]) for name, weight in x.weights.items()), default=0.0)


if __name__ == "__main__":
    main()
