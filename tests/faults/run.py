"""All faults in their long form, on the real Kafka where one is found: prints one table, and ends with 1 if any failed
or did not happen ("not exercised").

python tests/faults/run.py [--seed N] [--only FAULT ...] [--short] [--embedded] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import structlog
from rich.console import Console
from rich.table import Table

if not __package__:  # run as a program, not imported by a test
    sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[1:3]]

from benchmarks.servers.real_kafka import RealKafka
from faults import (
    beside_replay,
    broker_away,
    frozen,
    misplaced,
    poison,
    sigkill,
    sigterm,
    store_away,
    workers,
    zombie,
)
from faults.trial import FAILED, NOT_EXERCISED, Broker, Result
from streams.broker.embedded import EmbeddedBroker
from support.servers.brokers import kafka_parts

Run = Callable[[Path, Broker, int], Result]


@dataclass(frozen=True)
class NoResult:
    """A run that did not come to its comparison, or was not begun."""

    verdict: str
    reason: str


def scenarios(short: bool) -> dict[str, Run]:
    """Each fault's run, by name."""
    modules = {
        "sigkill": sigkill,
        "sigterm": sigterm,
        "broker": broker_away,
        "store": store_away,
        "workers": workers,
        "zombie": zombie,
        "frozen-write": frozen,
        "frozen-read": frozen,
        "poison": poison,
        "misplaced": misplaced,
        "replay": beside_replay,
    }
    runs = {
        name: partial(module.run, sizes=module.SHORT if short else module.LONG)
        for name, module in modules.items()
    }
    runs["frozen-read"] = partial(runs["frozen-read"], method=frozen.READ)
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, help="of all that is random; default: another one each time")
    parser.add_argument("--only", nargs="+", choices=list(scenarios(False)), help="these faults alone")
    parser.add_argument("--short", action="store_true", help="the forms that the tests run")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker in any case")
    parser.add_argument(
        "--keep",
        type=Path,
        help="where the folder of logs and stores goes",
    )
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="driftline-faults-", dir=options.keep))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the load's own client; the daemons have logs
    print(f"seed {seed}; logs and stores in {folder}", flush=True)
    broker = started_broker(folder, options.embedded)
    results: list[tuple[str, Result | NoResult]] = []
    try:
        for name, run in scenarios(options.short).items():
            if options.only is None or name in options.only:
                results.append((name, outcome(name, run, folder / name, broker, seed)))
    finally:
        broker.stop()
    Console(width=200).print(table(results, seed))
    for name, result in results:
        if isinstance(result, Result) and not result.passed:
            print(f"{name}: " + "; ".join(result.reasons))
    return int(any(verdict_of(result) in (FAILED, NOT_EXERCISED) for _, result in results))


def started_broker(folder: Path, embedded: bool) -> Broker:
    """The real Kafka, or the embedded broker where there is none or it is asked for."""
    broker: Broker
    try:
        if embedded:
            pytest.skip("asked for")
        kafka_parts()
        broker = RealKafka(folder / "kafka")
    except pytest.skip.Exception as reason:
        print(f"on the embedded broker: {reason}", flush=True)
        broker = EmbeddedBroker(log=folder / "broker.log")
    broker.start()
    return broker


def outcome(name: str, run: Run, folder: Path, broker: Broker, seed: int) -> Result | NoResult:
    """The run's result, or why there is none; its verdict is reported at once."""
    began = time.monotonic()
    if name == "broker" and not isinstance(broker, RealKafka):
        return NoResult("not run", "the embedded broker keeps no log over a stop")
    try:
        result: Result | NoResult = run(folder, broker, seed)
    except Exception as error:
        (folder / "failure.txt").write_text(traceback.format_exc())
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]} (see {folder / 'failure.txt'})"
        result = NoResult(FAILED, reason)
    print(f"{name}: {verdict_of(result)}, {time.monotonic() - began:.0f} s", flush=True)
    return result


def verdict_of(result: Result | NoResult) -> str:
    return result.verdict


def table(results: list[tuple[str, Result | NoResult]], seed: int) -> Table:
    """One row a fault."""
    shown = Table(title=f"faults, seed {seed}")
    for heading in ("fault", "broker", "events", "what", "users", "states", "fused"):
        shown.add_column(heading)
    for heading in ("lost", "doubled", "re-read", "seconds", "verdict"):
        shown.add_column(heading)
    for name, result in results:
        if isinstance(result, NoResult):
            shown.add_row(name, "", "", result.reason, *[""] * 7, result.verdict)
            continue
        found = result.comparison
        shown.add_row(
            result.fault,
            result.broker,
            f"{result.events:,}",
            result.times,
            str(found.users),
            f"{found.state_error:.1e}",
            f"{found.fused_error:.1e}",
            str(found.lost),
            str(found.doubled),
            str(result.reread),
            f"{result.seconds:.0f}",
            verdict_of(result),
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
