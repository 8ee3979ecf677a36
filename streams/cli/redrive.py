"""driftline redrive"""

from __future__ import annotations

import time

from streams.cli import options
from streams.cli.console import load, print_json, progress_bar, reported, show
from streams.cli.log_input import LogInput


def redrive(
    log: options.Log,
    broker: options.Broker = None,
    map_: options.Map = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Send a log back into the three topics: keyed by user, with the original event times, in order per user.

    Topics that do not exist are created. Records carry today's timestamp (brokers delete by it); the event's own time is in
    the value.

    Example: driftline redrive events.parquet --broker 127.0.0.1:9092 --map scenario=department
    """
    from streams.broker.topics import ensure_topics
    from streams.replay.redrive import redrive as run_redrive

    with reported():
        settings = load(
            config,
            {
                "broker": {"url": broker},
                "topics": {"prefix": prefix},
                "files": {"encoding": encoding, "delimiter": delimiter},
            },
        )
        events = LogInput(log, map_, action, scenario).open_log(settings)
        topics = settings.topics
        ensure_topics(
            settings.broker, dict.fromkeys(topics.all_names(), topics.partitions), topics.replication
        )
        start = time.monotonic()
        with progress_bar("sending", events.total_rows, json_) as advance:
            done = run_redrive(events, settings.broker, topics.by_action(), lambda batch: advance(batch.rows))
        seconds = time.monotonic() - start
        sent, rejected = sum(done.sent.values()), sum(done.rejected.values())
        if json_:
            print_json(
                {
                    "sent": sent,
                    "topics": done.sent,
                    "rejected": rejected,
                    "reasons": done.rejected,
                    "seconds": round(seconds, 3),
                    "events_per_s": round(sent / seconds, 1) if seconds else 0.0,
                }
            )
        else:
            listed = ", ".join(f"{count} to {name}" for name, count in done.sent.items())
            show(f"{sent} events sent ({listed}), {rejected} rows rejected; {seconds:.1f} s")
