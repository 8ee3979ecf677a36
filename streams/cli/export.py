"""driftline export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location
from streams.cli.progress import progress_bar


def export(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write: .parquet, .csv or .jsonl.")
    ],
    store: options.Store = None,
    force: options.Force = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Write all users' vectors to a file: user_id, fused, weights. Its suffix says how: Parquet, CSV (lists as JSON in a cell)
    or JSON lines.

    Example: driftline export --store ./store --out users.parquet
    """
    from streams.outputs import check_output
    from streams.serving.export import check_suffix, export_users
    from streams.workspace.workspace import open_for_reading

    with reported():
        check_suffix(out)
        check_output(out, force)
        settings = load(config)
        with (
            open_for_reading(store_location(store, settings), settings) as workspace,
            progress_bar("exporting", None, json_) as advance,
        ):
            users = export_users(workspace, out, advance)
        if json_:
            print_json({"users": users, "out": str(out)})
        else:
            show(f"{users} users written to {out}")
