"""driftline export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, progress_bar, reported, show, store_location


def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet file to write.")],
    store: options.Store = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Write all users' vectors to a Parquet file: user_id, fused (fixed-size list of float32), weights.

    Example: driftline export --store ./store --out users.parquet
    """
    from streams.serving.export import export_users
    from streams.workspace.workspace import open_for_reading

    with reported():
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
