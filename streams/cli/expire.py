"""driftline expire"""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import fail, load, print_json, reported, show, store_location, utc_time
from streams.errors import SettingsError


def expire(
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            min=0.01,
            max=36500,
            help="Drop users whose latest event is older than this. Default: retention.days.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="Counted from then, ISO 8601 or unix seconds. Default: the latest event in the store.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, and change nothing.")] = False,
    store: options.Store = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Drop users who have not acted for long, in event time. Daemons do it by themselves where retention.days is set.

    They may come back with events of a later time. A log or topic that was read brings nobody back.

    Example: driftline expire --days 400 --dry-run --store ./store
    """
    from sinks.open import open_store
    from streams.broker.start_rule import moment
    from streams.privacy.patience import patiently
    from streams.privacy.retention import DroppedUsers, drop_idle_users

    with reported():
        settings = load(config)
        keep = settings.retention.days if days is None else days
        if keep is None:
            raise SettingsError("how long are users kept? give --days, or set retention.days")
        location = store_location(store, settings)
        since = None if as_of is None else moment(as_of)

        def run(dry: bool) -> DroppedUsers:
            with open_store(location, settings.store, settings.interest.dim, create=False) as opened:
                return drop_idle_users(opened, keep, as_of=since, dry_run=dry)

        done = patiently(lambda: run(True))
        if not dry_run and done.dropped:
            question = f"Drop {done.dropped:,} of {done.users:,} users of the store {location}? This can't be undone."
            if not (yes or json_) and not typer.confirm(question, err=True):
                fail("nothing was changed")
            done = patiently(lambda: run(False))
        if json_:
            print_json(
                {"users": done.users, "dropped": done.dropped, "before": done.before, "dry_run": dry_run}
            )
        elif done.before is None:
            show("there are no users")
        else:
            what = "would be dropped" if dry_run else "dropped"
            show(f"{done.dropped:,} of {done.users:,} users {what}: no event since {utc_time(done.before)}")
