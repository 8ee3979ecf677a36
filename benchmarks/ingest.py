"""How fast do records go from a broker into validated columns, with nothing behind them?

    python benchmarks/ingest.py [--events 200000] [--repeat 5] [--rivals .venv-rivals] [--broker HOST:PORT]

Simulated events lie in one topic of 4 partitions before anything is measured. Then each program of `rivals/` reads them in
a process of its own and as a fresh group, in turns, the order rotating: Driftline's transport and decoder, bare aiokafka
with orjson, a plain Faust agent (on a tenth of the events), Bytewax and Quix Streams (where `make rivals` has installed
them). The clock runs from the first record in a program's hands to the last one done; CPU is that of the whole process in
that time, fetching threads included. Ratios are medians of those within a round. One JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.servers.broker import running_broker
from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.broker.topics import ensure_topics
from streams.demo.simulate import publish_events, simulated_events, simulated_users
from streams.events.event import ItemRow
from streams.topics.outlets import plain_outlets

HERE = Path(__file__).parent
PARTITIONS = 4
USERS = 20_000
RUN_S = 300.0
OURS, BARE, FAUST = "driftline_agent", "aiokafka_getmany", "faust_agent"
RIVALS = ("bytewax_flow", "quix_app")


def shop(scenarios: int = 30, themes: int = 20, items: int = 50) -> list[ItemRow]:
    """A catalogue of 30,000 items, so that few events of a batch share one."""
    return [
        ItemRow(f"s{s}-t{t}-{i}", title=f"Item {i} of theme {t}", scenario=f"department {s}")
        for s in range(scenarios)
        for t in range(themes)
        for i in range(items)
    ]


def fill(broker: BrokerConfig, topic: str, count: int) -> None:
    """`count` events of 20,000 users into a new topic."""
    rng, catalogue = random.Random(1), shop()
    people = simulated_users(rng, USERS, catalogue)
    events = simulated_events(
        rng, people, catalogue, start=time.time() - 86400, rate=count / 80_000, count=count
    )
    ensure_topics(broker, {topic: PARTITIONS})

    async def send() -> None:
        async with Publisher(broker) as publisher:
            await publish_events(
                publisher, plain_outlets(dict.fromkeys(("browse", "click", "purchase"), topic)), events
            )

    asyncio.run(send())


def run_program(python: str, name: str, broker: BrokerConfig, topic: str, events: int) -> dict[str, float]:
    """One run, as a fresh group. Raises RuntimeError with its output where it fails or finds an event invalid."""
    group = f"{name}-{time.time_ns()}"
    environment = dict(os.environ)
    if python != sys.executable:
        environment.pop("PYTHONPATH", None)  # the other environment has packages of its own
    done = subprocess.run(
        [python, str(HERE / "rivals" / f"{name}.py"), broker.url, topic, group, str(events)],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        env=environment,
    )
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{name} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["valid"] != found["events"]:
        raise RuntimeError(f"{name} calls {found['events'] - found['valid']:.0f} valid events invalid")
    return {
        "events_per_s": found["events"] / found["seconds"],
        "cpu_us_per_event": 1e6 * found["cpu_s"] / found["events"],
    }


def race(
    pythons: dict[str, str], broker: BrokerConfig, topic: str, events: int, repeat: int
) -> dict[str, Any]:
    """Rounds of all programs; medians of each, and of the ratios within a round."""
    names = list(pythons)
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(repeat):
        start = number % len(names)
        rounds.append({})
        for name in names[start:] + names[:start]:
            count = max(1000, events // 10) if name == FAUST else events
            rounds[-1][name] = run_program(pythons[name], name, broker, topic, count)
            print(f"round {number + 1}: {name} {rounds[-1][name]['events_per_s']:,.0f}/s", file=sys.stderr)

    def median(name: str, figure: str) -> float:
        return statistics.median(found[name][figure] for found in rounds)

    def ratios(name: str, figure: str) -> dict[str, float]:
        found = sorted(done[OURS][figure] / done[name][figure] for done in rounds)
        return {
            "median": round(statistics.median(found), 3),
            "least": round(found[0], 3),
            "most": round(found[-1], 3),
        }

    return {
        "programs": {
            name: {
                "events_per_s": round(median(name, "events_per_s")),
                "cpu_us_per_event": round(median(name, "cpu_us_per_event"), 2),
                "runs": [round(found[name]["events_per_s"]) for found in rounds],
            }
            for name in names
        },
        "ratio_to": {name: ratios(name, "events_per_s") for name in names if name != OURS},
        "cpu_ratio_to": {name: ratios(name, "cpu_us_per_event") for name in names if name != OURS},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rivals", type=Path, default=HERE.parent / ".venv-rivals", help="their environment")
    parser.add_argument("--broker", help="an existing one; default: a real Kafka, else the embedded one")
    options = parser.parse_args()
    pythons = dict.fromkeys((OURS, BARE, FAUST), sys.executable)
    rivals_python = options.rivals.resolve() / "bin" / "python"
    if rivals_python.exists():
        pythons |= dict.fromkeys(RIVALS, str(rivals_python))
        missing = {}
    else:
        missing = dict.fromkeys(RIVALS, f"not measured: no {rivals_python} (make rivals)")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_broker(options.broker, Path(folder)) as (broker, kind),
    ):
        topic = f"ingest-{time.time_ns()}"
        fill(broker, topic, options.events)
        figures = race(pythons, broker, topic, options.events, options.repeat)
    pinned = (HERE / "rivals" / "requirements.txt").read_text().splitlines()
    print(
        json.dumps(
            {
                "benchmark": "ingest",
                "events": options.events,
                "repeat": options.repeat,
                "broker": kind,
                **figures,
                "missing": missing,
                "versions": {
                    name: version(name) for name in ("aiokafka", "faust-streaming", "msgspec", "orjson")
                }
                | ({} if missing else dict(line.split("==") for line in pinned if "==" in line)),
                "device": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "python": platform.python_version(),
            }
        )
    )


if __name__ == "__main__":
    main()
