"""driftline profiles"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, reported, show, store_location
from streams.cli.progress import progress_bar
from streams.cli.replay import RejectFile, tell_rejects

if TYPE_CHECKING:
    from streams.files.declaration_file import DeclarationFiles
    from streams.ingest.declaring import DeclaredOutcome
    from streams.ingest.intake import Intake

WHAT = "a declared interest"


def profiles(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Parquet, CSV or JSON lines: files, folders, globs, or s3://, gs://, abfs://, hdfs:// URLs.",
        ),
    ],
    store: options.Store = None,
    map_: Annotated[
        str,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,...",
            help="Columns of other names, e.g. user_id=uid,interests=bio.",
        ),
    ] = "",
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Of rows without a timestamp: ISO 8601 or unix seconds. Default: now.",
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Write each rejected row's file, number and reason here (JSON lines).",
        ),
    ] = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    force: options.Force = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """What users say of themselves, in words, into the store: it counts beside what they do, and for those who did nothing yet.

    A row has user_id and interests, a text; with scenario it is of that scenario alone, else of all. language and timestamp may
    be there. The latest row of a user and scenario counts, whatever the order, and a repeated file changes nothing. Empty
    interests take back what the user declared of the scenario, or all of it where none is named. Load the catalogue first.

    Example: driftline profiles profiles.jsonl --store ./store --rejects rejects.jsonl
    """
    from streams.broker.start_rule import moment
    from streams.events.declaration import FIELDS
    from streams.events.event import TimeLimits
    from streams.files.declaration_file import open_declarations
    from streams.files.expand import expand
    from streams.files.fields import parse_mapping
    from streams.ingest.intake import open_intake
    from streams.outputs import check_output

    with reported():
        if rejects is not None:
            check_output(rejects, force)
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        location = store_location(store, settings)
        now = time.time()
        opened = open_declarations(
            expand(files, settings.files),
            parse_mapping(map_, FIELDS),
            at=now if at is None else moment(at),
            now=now,
            limits=TimeLimits(max_future_s=settings.max_future_s),
        )
        _require_some(opened, rejects)
        with RejectFile(rejects) as sink, open_intake(location, settings, create=True) as intake:
            if not intake.workspace.space.is_fitted:
                console.print(
                    "the store has no catalogue yet: the first text decides how all texts become vectors; better run "
                    "`driftline items` first",
                    soft_wrap=True,
                )
            done = _apply(intake, opened, sink, json_)
        rejected = sum(sink.summary.by_reason.values())
        if json_:
            counts = {"rows": opened.total_rows, **asdict(done), "rejected": rejected}
            print_json({**counts, "reasons": dict(sink.summary.by_reason)})
        else:
            show(
                f"{opened.total_rows:,} rows: {done.applied:,} applied, {done.known:,} known before, {rejected:,} rejected"
                f"{f', {done.forgotten:,} of forgotten users' if done.forgotten else ''}"
            )
        most = settings.daemon.max_reject_share
        tell_rejects(sink.summary, opened.total_rows, rejected, most, WHAT)


def _require_some(opened: DeclarationFiles, rejects: Path | None) -> None:
    """End with the reasons where every row is rejected, before a store is made."""
    if not opened.total_rows or any(batch.declarations for batch in opened):
        return
    with RejectFile(rejects) as sink:
        for batch in opened:
            sink.write(batch, batch.rejects)
    tell_rejects(sink.summary, opened.total_rows, opened.total_rows, 1.0, WHAT)


def _apply(intake: Intake, opened: DeclarationFiles, sink: RejectFile, quiet: bool) -> DeclaredOutcome:
    from streams.ingest.declaring import DeclaredOutcome

    done = DeclaredOutcome()
    with progress_bar("declaring", opened.total_rows, quiet) as advance:
        for batch in opened:
            sink.write(batch, batch.rejects)
            done += intake.declaring.apply(batch.declarations)
            advance(batch.rows)
    intake.store.sync()
    return done
