"""driftline manifest"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, store_location


def manifest(
    store: options.Store = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it here instead of standard output.")
    ] = None,
    force: options.Force = False,
    config: options.Config = None,
) -> None:
    """Show what a store holds of replayed logs: sources, rows, times, and where in Kafka a daemon continues (JSON).

    Example: driftline manifest --store ./store --out manifest.json
    """
    from streams.outputs import check_output
    from streams.replay.manifest import manifest_of, write_manifest
    from streams.workspace.workspace import open_for_reading

    with reported():
        if out is not None:
            check_output(out, force)
        settings = load(config)
        with open_for_reading(store_location(store, settings), settings) as workspace:
            found = manifest_of(workspace.store)
        if out is None:
            print_json(found)
        else:
            write_manifest(out, found)
