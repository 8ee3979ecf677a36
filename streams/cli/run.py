"""driftline run"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location

if TYPE_CHECKING:
    from streams.ingest.intake import Intake
    from streams.metrics import Metrics
    from streams.worker.daemon import Daemon
    from streams.worker.outcome_counts import Summary


def run(
    broker: options.Broker = None,
    store: options.Store = None,
    items: Annotated[
        str | None,
        typer.Option("--items", metavar="CATALOGUE", help="Load this catalogue before the first event."),
    ] = None,
    items_map: options.ItemsMap = "",
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", help="Port of /live, /ready and /metrics; 0 takes a free one."),
    ] = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="Process what is waiting now, commit, stop.")
    ] = False,
    group: Annotated[str | None, typer.Option("--group", help="Kafka consumer group (daemon.group).")] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="earliest|latest|group|TIME",
            help="Where to begin with a topic that the store does not know (daemon.start_from); elsewhere the store knows.",
        ),
    ] = None,
    from_manifest: Annotated[
        Path | None,
        typer.Option(
            "--from-manifest",
            metavar="FILE",
            help="In topics that the store does not know yet, continue where the logs end that `replay --manifest FILE` "
            "replayed into this store.",
        ),
    ] = None,
    take_group: Annotated[
        bool, typer.Option("--take-group", help="Take over the consumer group if it is another store's.")
    ] = False,
    made_again: Annotated[
        list[str] | None,
        typer.Option(
            "--made-again",
            metavar="TOPIC",
            help="This topic holds other events than before, under the same id: take it as new. Say it once.",
        ),
    ] = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Follow Kafka: events in, searchable vectors out, until SIGTERM or Ctrl-C.

    The topics that the settings name must exist: clicks, purchases, browses, items and dead-letters, or others. Where each
    of them stands is kept in the store; the group's offsets are for lag tools. Broker and store may be away, at the start or
    later: the daemon waits, says so on /ready, and loses nothing. SIGTERM drains, writes and commits within daemon.shutdown_s.

    Example: driftline run --broker 127.0.0.1:9092 --store ./store --items items.parquet
    """
    from streams.broker.start_rule import StartRule
    from streams.cli.catalogue_input import load_catalogue, open_items, require_items
    from streams.errors import LogError, ShutdownDeadline
    from streams.ingest.intake import open_intake
    from streams.replay.manifest import positions_from_manifest, read_manifest
    from streams.worker.daemon import Daemon
    from streams.worker.first_starts import Beginning

    with reported():
        settings = load(
            config,
            {
                "broker": {"url": broker},
                "topics": {"prefix": prefix},
                "daemon": {"port": metrics_port, "group": group, "start_from": from_},
            },
        )
        location = store_location(store, settings)
        catalogue = open_items([items], items_map, settings) if items else None
        if catalogue is not None:
            require_items(catalogue)
        manifest = None if from_manifest is None else read_manifest(from_manifest)
        ends = {} if manifest is None else positions_from_manifest(manifest)

        def opened(metrics: Metrics) -> Intake:
            intake = open_intake(location, settings, create=True, metrics=metrics)
            if manifest is not None:
                try:
                    positions_from_manifest(manifest, intake.store.id)
                except LogError:
                    intake.close()
                    raise
            return intake

        async def serve() -> Summary:
            daemon = Daemon(
                settings,
                opened,
                drain=drain,
                prepare=(lambda intake: _load(intake, catalogue)) if catalogue else None,
                beginning=Beginning(
                    StartRule.parse(settings.daemon.start_from),
                    at=ends,
                    made_again=frozenset(made_again or ()),
                ),
                take_group=take_group,
            )
            stop_on_signals(daemon)
            try:
                return await daemon.run()
            except ShutdownDeadline as error:
                # Something hangs in a call that can't be cancelled: what was promised is the deadline.
                sys.stderr.write(f"error: {error}\n")
                sys.stderr.flush()
                os._exit(1)

        def _load(intake, catalogue) -> None:  # type: ignore[no-untyped-def]
            load_catalogue(intake, catalogue, settings, quiet=True)

        summary = asyncio.run(serve())
        if json_:
            print_json(asdict(summary))
        elif drain:
            show(
                f"{summary.events} events: {summary.applied} applied, "
                f"{summary.duplicates + summary.redelivered} seen before, {summary.rejected} rejected, "
                f"{summary.parked} parked{f', {summary.ignored} ignored' if summary.ignored else ''}"
                f"{f', {summary.forgotten} of forgotten users' if summary.forgotten else ''}; {summary.seconds:.1f} s"
            )


def stop_on_signals(daemon: Daemon) -> None:
    """SIGTERM and Ctrl-C ask for the orderly stop; a second Ctrl-C is not waited for."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if daemon.stop.is_set():
            os._exit(130)
        daemon.stop.set()

    loop.add_signal_handler(signal.SIGINT, ask)
    loop.add_signal_handler(signal.SIGTERM, daemon.stop.set)
