"""driftline consent"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location, utc_time
from streams.cli.user_ids import user_ids


def consent(
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A text file with one user id a line.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="When they consented: ISO 8601 or unix seconds. Events up to then never apply. Default: now.",
        ),
    ] = None,
    store: options.Store = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Let users who were forgotten begin again, from a time on that is later than their forgetting.

    Events after that time apply; those up to it never do, wherever they come from. For users who were not forgotten
    nothing changes. Events that were read before the consent, and dropped, are not read again.

    Example: driftline consent ada --store ./store
    """
    from sinks.open import open_store
    from streams.broker.start_rule import moment
    from streams.privacy.forget import consent_users
    from streams.privacy.patience import patiently

    with reported():
        settings = load(config)
        names = user_ids(users or [], file)
        since = time.time() if at is None else moment(at)
        location = store_location(store, settings)

        def run() -> list[bool]:
            with open_store(location, settings.store, settings.interest.dim, create=False) as opened:
                return consent_users(opened, names, since)

        freed = sum(patiently(run))
        if json_:
            print_json({"consented": freed, "unchanged": len(names) - freed, "since": since})
        else:
            unchanged = len(names) - freed
            rest = (
                f"; {unchanged} were not forgotten before that time, and stay as they are"
                if unchanged
                else ""
            )
            show(f"{freed} users may begin again: their events after {utc_time(since)} count{rest}")
