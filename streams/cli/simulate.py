"""driftline simulate"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import asdict
from typing import Annotated

import typer

from encoders.progress import from_totals
from streams.cli import options
from streams.cli.console import fail, load, print_json, reported, show
from streams.cli.progress import progress_bar


def simulate(
    broker: options.Broker = None,
    rate: Annotated[float, typer.Option("--rate", min=0.001, help="Events a second.")] = 100.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="For how long.")] = 60.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same users and choices.")] = 1,
    users: Annotated[int, typer.Option("--users", min=1, help="How many users act.")] = 50,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="When the first event is (ISO 8601 or unix seconds); what is due by now is sent at once. Default: now.",
        ),
    ] = None,
    record_time: options.RecordTime = "now",
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Send a small catalogue and events of simulated users whose interest moves to a new scenario half-way.

    Topics that do not exist are created. Event times begin now, or with --from. Users are called ada, ben, cleo, ...

    Example: driftline simulate --broker 127.0.0.1:9092 --rate 200 --seconds 30 --seed 7
    """
    from streams.broker.start_rule import moment
    from streams.broker.topics import ensure_topics
    from streams.demo.simulate import SimulationPlan
    from streams.demo.simulate import simulate as run_simulation
    from streams.topics.outlets import outlets_of

    with reported():
        settings = load(config, {"broker": {"url": broker}, "topics": {"prefix": prefix}})
        topics, now = settings.topics, time.time()
        start = now if from_ is None else moment(from_)
        outlets = outlets_of(
            topics.layout(),
            settings.description_of,
            ("browse", "click", "purchase"),
            record_times=record_time == "event",
        )
        for action in ("browse", "click", "purchase"):
            outlets.of(action)  # all three are sent
        plan = SimulationPlan(
            rate,
            seconds,
            seed,
            start,
            users,
            behind_s=max(0.0, now - start),
            event_times=record_time == "event",
        )
        ensure_topics(
            settings.broker, dict.fromkeys(topics.all_names(), topics.partitions), topics.replication
        )
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        with progress_bar("sending", round(rate * seconds), json_) as advance:
            done = run_simulation(
                settings.broker,
                outlets,
                topics.name("items"),
                plan,
                stop=stop.is_set,
                progress=from_totals(advance),
            )
        if json_:
            print_json(asdict(done))
        else:
            show(f"{sum(done.sent.values())} events and {done.items} items sent in {done.seconds:.1f} s")
        if stop.is_set():
            fail("interrupted", code=130)
