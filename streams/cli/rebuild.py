"""driftline rebuild"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location
from streams.cli.progress import progress_bar

ANALYTIC = "analytic"


def rebuild(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Folder of a trained model, or `analytic` with the weights of the settings."
        ),
    ],
    store: options.Store = None,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Afterwards drop all versions but the live one.")
    ] = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Rebuild all vectors of a store with another transfer model, and switch to them when they are complete.

    Users are computed from their stored states, items from their stored base vectors: no log is read. Until the switch the
    old version is served as it is; afterwards it stays, until --drop-old. A run may be stopped at any time
    and run again. On a server daemons may run meanwhile: at the switch they wait a moment and end, so set
    transfer.model in their settings first, and let whatever supervises them start them again. A folder belongs to one
    process: stop its daemon first.

    Example: driftline rebuild ./model --store http://127.0.0.1:6333
    """
    from sinks.open import open_store
    from streams.workspace.item_encoder import load_fitted
    from streams.workspace.rebuild import rebuild as run_rebuild
    from streams.workspace.scenario_names import name_lookup, wants_words
    from streams.workspace.transfer_model import bind_items, load_transfer_model, require_encoder, version_of
    from streams.workspace.workspace import stored_interest

    with reported():
        settings = load(config)
        folder = None if model == ANALYTIC else Path(model)
        transfer = settings.transfer.model_copy(update={"model": folder})
        location = store_location(store, settings)
        with open_store(location, settings.store, settings.interest.dim, create=False) as opened:
            interest = stored_interest(opened, settings)
            require_encoder(opened.blobs, transfer, location)
            loaded = load_transfer_model(interest, transfer)
            fitted = load_fitted(settings) if wants_words(loaded) else None
            bind_items(loaded, opened.items, names=name_lookup(loaded, settings.encoder, fitted))
            total = opened.users.count() + opened.items.count()
            with progress_bar("making vectors", total, json_) as advance:
                summary = run_rebuild(
                    opened,
                    interest,
                    loaded,
                    version_of(loaded, transfer),
                    drop_old=drop_old,
                    progress=advance,
                )
        if json_:
            print_json(summary.as_dict())
            return
        if summary.rounds:
            show(
                f"{summary.users} users and {summary.items} items by {summary.model}; {summary.changed} written, "
                f"{summary.seconds:.1f} s, writers waited {summary.waited_s:.1f} s for the switch"
            )
        else:
            show(f"the store is of {summary.model} already")
        if summary.dropped:
            show(f"dropped: {', '.join(name or 'the first version' for name in summary.dropped)}")


@wraps(rebuild)
def refuse(*args: Any, **kwargs: Any) -> None:
    """The command's name before it was called `rebuild`; hidden, and kept for one release."""
    typer.echo("driftline refuse is called driftline rebuild now; the old name will go", err=True)
    rebuild(*args, **kwargs)
