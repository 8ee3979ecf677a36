"""How fast is the daemon, from the broker to searchable vectors? One JSON line.

    python benchmarks/end_to_end.py [--case distinct zipf] [--repeat 3] [--broker HOST:PORT]
    python benchmarks/end_to_end.py --log events.parquet --map scenario=department [--rows 200000]

The events are in the broker before the daemon starts, and vectors of their items (random ones) are in the store: neither the
producer nor the text model is measured. The clock runs from the end of the first write to the end of the last one.
Every run is a process of its own with a new consumer group and a new store, 128 dimensions.

    case      events                                     baseline, measured in the same call and in turns
    distinct  as many users as events                    the store alone taking the same points in the same batches
    zipf      100,000 users drawn by rank^-1.1           the same work as plain per-event Faust agents (rivals/)
    log       rows of a real log                         both

Without --broker a real Kafka is used where one is found, else the embedded broker.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.rivals.faust_per_event import PerEvent, per_event
from benchmarks.servers.broker import running_broker
from benchmarks.workloads.drain import Drained, drain_and_compare
from benchmarks.workloads.events import Workload, distinct_users, rows_of_log, send, zipf_users
from benchmarks.workloads.process import in_own_process
from benchmarks.workloads.report import bench_flags, median, where
from streams.settings import Settings


def main() -> None:
    """Measure and print."""
    options = _options()
    workloads = _workloads(options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_broker(options.broker, folder) as (broker, words):
            for work in workloads:
                settings = Settings.load(None, bench_flags(broker.url, work.name, "none"))
                send(work, settings.broker, settings.topics)
            runs: dict[str, list[Drained]] = {work.name: [] for work in workloads}
            plain: dict[str, list[PerEvent]] = {work.name: [] for work in workloads}
            for number in range(options.repeat):
                for work in workloads:
                    place = folder / f"{work.name}{number}"
                    ours = bench_flags(broker.url, work.name, f"ours{number}")
                    runs[work.name].append(
                        in_own_process(drain_and_compare, ours, place, work.item_ids, work.events)
                    )
                    if work.name != "distinct":
                        theirs = bench_flags(broker.url, work.name, f"plain{number}")
                        plain[work.name].append(
                            in_own_process(per_event, theirs, place, work.item_ids, options.plain_events)
                        )
    cases = {work.name: _figures(work, runs[work.name], plain[work.name]) for work in workloads}
    print(json.dumps({"benchmark": "end_to_end", "repeat": options.repeat, "cases": cases, **where(words)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=["distinct", "zipf"])
    parser.add_argument("--log", type=Path, help="a real log, instead of or beside the made-up cases")
    parser.add_argument("--map", default="", help="columns of the log, as for driftline replay")
    parser.add_argument("--rows", type=int, default=200_000, help="of the log, at most")
    parser.add_argument("--distinct-events", type=int, default=60_000)
    parser.add_argument("--zipf-events", type=int, default=300_000)
    parser.add_argument(
        "--plain-events", type=int, default=3_000, help="that the plain Faust agents work off"
    )
    parser.add_argument("--broker", help="HOST:PORT")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.case is None:
        options.case = [] if options.log else ["distinct", "zipf"]
    return options


def _workloads(options: argparse.Namespace) -> list[Workload]:
    found = []
    if "distinct" in options.case:
        found.append(distinct_users(options.distinct_events, options.seed))
    if "zipf" in options.case:
        found.append(zipf_users(options.zipf_events, 100_000, 1.1, options.seed))
    if options.log:
        found.append(rows_of_log(options.log, options.map, options.rows))
    return found


def _figures(work: Workload, runs: list[Drained], plain: list[PerEvent]) -> dict[str, object]:
    figures: dict[str, object] = {
        "events": work.events,
        "users": work.users,
        **work.about,
        "events_per_s": median(run.events_per_s for run in runs),
        "cpu_us_per_event": median((run.cpu_us_per_event for run in runs), 1),
        "points_per_event": median((run.points_per_event for run in runs), 3),
        "users_per_write": median(run.users_per_write for run in runs),
        "points_per_s": median(run.points_per_s for run in runs),
        "store_alone_points_per_s": median(run.store_points_per_s for run in runs),
        "store_alone_cpu_us_per_point": median((run.store_cpu_us_per_point for run in runs), 1),
        "ratio_to_store_alone": median((run.ratio_to_store for run in runs), 3),
    }
    if plain:
        figures |= {
            "plain_faust_events_per_s": median(run.events_per_s for run in plain),
            "plain_faust_cpu_us_per_event": median((run.cpu_us_per_event for run in plain), 1),
            "ratio_to_plain_faust": median(
                (a.events_per_s / b.events_per_s for a, b in zip(runs, plain, strict=True)), 1
            ),
        }
    figures["runs"] = [{name: round(value, 3) for name, value in asdict(run).items()} for run in runs]
    return figures


if __name__ == "__main__":
    main()
