"""driftline replay"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, print_json, reported, show, store_location
from streams.cli.log_input import EventFlags, LogInput
from streams.cli.progress import progress_bar
from streams.events.reject_summary import RejectSummary
from streams.outputs import whole_file

if TYPE_CHECKING:
    from streams.event_log.log import Log
    from streams.events.event import Reject
    from streams.files.location import Location
    from streams.replay.once import SharedRows
    from streams.settings import Settings


def replay(
    log: options.Log,
    store: options.Store = None,
    items: Annotated[
        str | None, typer.Option("--items", metavar="CATALOGUE", help="Load this catalogue first.")
    ] = None,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Write each rejected row's file, number and reason here (JSON lines).",
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="URL",
            help="Kafka of the topics that the log names in its columns topic, partition and offset: its rows are then the "
            "same events as their records, and `run` continues where the log ends.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            help="Write here what was replayed, and where `run --from-manifest FILE` continues (JSON).",
        ),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(
            "--after",
            metavar="LOG",
            help="A log that is in the store and overlaps this one: what it holds is left out. May be given several times.",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Of events with one event_id, or equal in all fields, apply the one that comes first.",
        ),
    ] = False,
    overlapping: Annotated[
        bool, typer.Option("--overlapping", help="Count rows that another log seems to hold again.")
    ] = False,
    force: options.Force = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Apply a historical log to a store: the same functions as the live stream, the same vectors.

    All files are checked before anything is written. Files are known by what their rows say, whatever they are called and
    however they are packed: a replay that was stopped is run again and continues where it was, a log that was replayed changes
    nothing, and of one that grew only the new rows are applied. A log that shares rows with another one, by no whole, is
    refused: --after and --once leave out what was there before. It may run beside daemons on the same Qdrant server.

    Example: driftline replay events.parquet --items items.parquet --store ./store --map scenario=department
    """
    from streams.cli.catalogue_input import load_catalogue, require_items
    from streams.ingest.intake import open_intake
    from streams.outputs import check_output
    from streams.replay.manifest import manifest_of, outlook, write_manifest
    from streams.replay.replay import replay as run_replay
    from streams.worker.garbage import collect_seldom

    with reported():
        for path in filter(None, (rejects, manifest)):
            check_output(path, force)
        settings = load(
            config, {"broker": {"url": broker}, "files": {"encoding": encoding, "delimiter": delimiter}}
        )
        location = store_location(store, settings)
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        catalogue, events = given.open_catalogue(settings), given.open_log(settings)
        shared = _shared_rows(replace(given, files=after or ()), once, overlapping, settings)
        if catalogue is not None:
            require_items(catalogue)
        _require_events(events, rejects, json_)
        with RejectFile(rejects) as sink, open_intake(location, settings, create=True) as intake:
            if catalogue is not None:
                counts = load_catalogue(intake, catalogue, settings, json_)
                console.print(f"catalogue: {counts['items']} items, {counts['encoded']} texts encoded")
            collect_seldom()
            with progress_bar("replaying", events.total_rows, json_) as advance:
                summary = run_replay(
                    intake,
                    events,
                    broker=None if broker is None else settings.broker,
                    shared=shared,
                    progress=advance,
                    on_rejects=sink.write,
                )
            made = manifest_of(intake.store, summary.sources)
        if manifest is not None:
            write_manifest(manifest, made)
        if summary.overlap is not None and summary.overlap.is_poor:
            console.print(summary.overlap.line(), soft_wrap=True)
        if json_:
            print_json({**summary.as_dict(), "reasons": dict(sink.summary.by_reason), "manifest": made})
        else:
            show(
                f"{summary.events} events: {summary.applied} applied, {summary.duplicates} seen before, "
                f"{f'{summary.ignored} ignored, ' if summary.ignored else ''}"
                f"{summary.rejected} rejected{_of_forgotten(summary.forgotten)}; {summary.users} users, {summary.items} items; "
                f"{summary.seconds:.1f} s, {summary.events_per_s:,.0f} events/s"
            )
            if summary.overlap is not None and summary.overlap.log_items and not summary.overlap.is_poor:
                show(summary.overlap.line())
            if summary.applied:
                show(outlook(made, followed=broker is not None))
        tell_rejects(sink.summary, summary.events, summary.rejected, settings.daemon.max_reject_share)


def _shared_rows(after: LogInput, once: bool, overlapping: bool, settings: Settings) -> SharedRows:
    """What the flags say of rows that other logs hold, too."""
    from streams.replay.once import SharedRows

    if overlapping and (after.files or once):
        fail("--overlapping counts what --after and --once leave out: give one of them")
    if overlapping:
        return SharedRows("count")
    if after.files:
        return SharedRows("once", after.open_log(settings))
    return SharedRows("once" if once else "refuse")


def _require_events(events: Log, rejects: Path | None, json_: bool) -> None:
    """End with the reasons where every row is rejected, before a store is made, or told that the log was read."""
    from streams.replay.replay import ReplaySummary

    if not events.total_rows or any(len(batch.rejects) < batch.rows for batch in events):
        return
    summary = ReplaySummary()
    with RejectFile(rejects) as sink:
        for batch in events:
            sink.write(batch, batch.rejects)
            summary.events += batch.rows
            summary.rejected += len(batch.rejects)
    if json_:
        print_json({**summary.as_dict(), "reasons": dict(sink.summary.by_reason), "manifest": None})
    tell_rejects(sink.summary, summary.events, summary.rejected, 1.0)


def _of_forgotten(events: int) -> str:
    return f", {events} of forgotten users" if events else ""


def tell_rejects(
    summary: RejectSummary, rows: int, rejected: int, most: float, what: str = "an event"
) -> None:
    """Say why so many rows were rejected, where they were; if all of them were, that is a failure."""
    listed = "\n  ".join(summary.lines())
    if rows and rejected == rows:
        fail(f"none of the {rows:,} rows is {what}:\n  {listed}")
    if rejected > most * rows:
        console.print(f"warning: {rejected:,} of {rows:,} rows were rejected:\n  {listed}", soft_wrap=True)


class FileRows(Protocol):
    """Consecutive rows of one file of several: the file, and of the first row its number over all of them and in its own."""

    @property
    def path(self) -> Location: ...
    @property
    def first_row(self) -> int: ...
    @property
    def file_row(self) -> int: ...


class RejectFile:
    """Shows the first rejects, counts all of them, and writes them to a file, if one was asked for."""

    SHOWN = 5

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open = ExitStack()
        self._file: TextIO | None = None
        self._shown = 0
        self.summary = RejectSummary()

    def __enter__(self) -> RejectFile:
        if self._path is not None:
            self._file = self._open.enter_context(
                self._open.enter_context(whole_file(self._path)).open("w", encoding="utf-8")
            )
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, batch: FileRows, rejects: list[Reject]) -> None:
        """Take the rejects of one batch."""
        self.summary.add(rejects)
        for reject in rejects:
            row = reject.position - batch.first_row + batch.file_row  # the position counts over all files
            if self._file is not None:
                line = {"file": str(batch.path), "row": row, "reason": reject.reason, "detail": reject.detail}
                self._file.write(json.dumps(line) + "\n")
            if self._shown < self.SHOWN:
                self._shown += 1
                message = f"{batch.path} row {row}: {reject.reason}: {reject.detail}"
                console.print(message, soft_wrap=True)
                if self._shown == self.SHOWN:
                    console.print(
                        "further rejects are counted" + ("" if self._file else "; see --rejects FILE")
                    )
