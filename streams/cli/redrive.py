"""driftline redrive"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show
from streams.cli.log_input import EventFlags, LogInput
from streams.cli.progress import progress_bar
from streams.errors import SettingsError

if TYPE_CHECKING:
    from streams.event_log.log import Log
    from streams.topics.outlets import Outlets


def redrive(
    log: options.Log,
    broker: options.Broker = None,
    map_: options.Map = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.001, help="Events a second. Default: as fast as it goes.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            min=0.000001,
            help="Multiples of the log's own time: 1 as it happened, 3600 an hour in a second. The log is in order of time.",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Begin with the events of this time (ISO 8601 or unix seconds)."
        ),
    ] = None,
    record_time: options.RecordTime = "now",
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Send a log back into its topics: keyed by user, with the original event times, in order per user.

    Topics that do not exist are created. A record has the form that its topic's description reads; one that can't be written is
    refused by name. Records carry today's timestamp (brokers delete by it); the event's own time is in the value.

    Example: driftline redrive events.parquet --broker 127.0.0.1:9092 --speed 60 --from 2026-11-01
    """
    from streams.broker.start_rule import moment
    from streams.broker.topics import ensure_topics
    from streams.replay.pace import Pace
    from streams.replay.redrive import RedrivePlan
    from streams.replay.redrive import redrive as run_redrive
    from streams.topics.outlets import outlets_of

    with reported():
        settings = load(
            config,
            {
                "broker": {"url": broker},
                "topics": {"prefix": prefix},
                "files": {"encoding": encoding, "delimiter": delimiter},
            },
        )
        if rate is not None and speed is not None:
            raise SettingsError(
                "give --rate, events a second, or --speed, multiples of the log's time, not both"
            )
        begin_s = None if from_ is None else moment(from_)
        plan = RedrivePlan(Pace(rate, speed), begin_s, event_times=record_time == "event")
        events = LogInput(log, EventFlags(map_, action, scenario, time_, action_map)).open_log(settings)
        topics, names = settings.topics, settings.interest.action_names
        outlets = outlets_of(
            topics.layout(), settings.description_of, names, record_times=record_time == "event"
        )
        _require_sendable(events, outlets, names, begin_s)
        ensure_topics(
            settings.broker, dict.fromkeys(topics.all_names(), topics.partitions), topics.replication
        )
        start = time.monotonic()
        with progress_bar("sending", events.total_rows, json_) as advance:
            done = run_redrive(
                events,
                settings.broker,
                outlets,
                lambda batch: advance(batch.rows),
                plan=plan,
                action_names=names,
            )
        seconds = time.monotonic() - start
        sent, rejected = sum(done.sent.values()), sum(done.rejected.values())
        if json_:
            print_json(
                {
                    "sent": sent,
                    "topics": done.sent,
                    "rejected": rejected,
                    "reasons": done.rejected,
                    "before": done.before,
                    "seconds": round(seconds, 3),
                    "events_per_s": round(sent / seconds, 1) if seconds else 0.0,
                }
            )
        else:
            listed = ", ".join(f"{count} to {name}" for name, count in done.sent.items())
            before = f"{done.before} before --from, " if from_ is not None else ""
            show(f"{sent} events sent ({listed}), {before}{rejected} rows rejected; {seconds:.1f} s")


def _require_sendable(
    events: Log, outlets: Outlets, action_names: Sequence[str], begin_s: float | None
) -> None:
    """End before topics are made or events are sent where no row is an event, or some event has no topic to go to.

    The whole log is read for it only where some action has none; else up to its first event.
    """
    import numpy as np

    from streams.cli.replay import tell_rejects
    from streams.events.reject_summary import RejectSummary

    summary, rows, rejected, found = RejectSummary(), 0, 0, False
    for batch in events:
        columns = batch.columns
        sent = columns.action if begin_s is None else columns.action[columns.time >= begin_s]
        for code in np.unique(sent).tolist():
            outlets.of(action_names[code])
        found = found or len(columns) > 0
        if found and not outlets.refused:
            return
        summary.add(batch.rejects)
        rows, rejected = rows + batch.rows, rejected + len(batch.rejects)
    tell_rejects(summary, rows, rejected, 1.0)
