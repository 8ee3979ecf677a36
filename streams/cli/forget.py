"""driftline forget"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, print_json, reported, show, store_location
from streams.cli.user_ids import user_ids

REMAINS = """what remains elsewhere (docs/privacy.md):
  topics, their dead letters, logs, exports, snapshots and backups, as long as you keep them
  shares and transitions of items, and models that were trained: sums over all users, without ids
  a compacted topic that you write users into: send a record with the user's key and no value"""


def forget(
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A text file with one user id a line.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who is in the store, and change nothing.")
    ] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum",
            help="Write the users of a folder anew, so that no byte stays of those who were forgotten, now or before.",
        ),
    ] = False,
    store: options.Store = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Forget users: their vectors, states and ids, in every version of the store; none of their events applies from now on.

    What stays is a point with the UUID of the user id and the time. It keeps running daemons, replays, redriven letters and
    repairs from bringing the user back, until `driftline consent`. Works beside running daemons on a Qdrant server; a
    folder takes one process at a time. Repeating it does no harm, also after it was cut off.

    Example: driftline forget ada --vacuum --store ./store
    """
    from sinks.open import open_store
    from streams.privacy.forget import forget_users
    from streams.privacy.patience import patiently

    with reported():
        settings = load(config)
        names = user_ids(users or [], file) if users or file or not vacuum else []
        location = store_location(store, settings)

        with open_store(location, settings.store, settings.interest.dim, create=False) as opened:
            there = sum(record is not None for record in opened.users.read(names))
        if dry_run:
            _tell(
                json_, {"users": there, "absent": len(names) - there, "dry_run": True}, "would be forgotten"
            )
            return
        question = (
            f"Forget {len(names)} users, {there} of them in the store {location}? This can't be undone."
        )
        if names and not (yes or json_) and not typer.confirm(question, err=True):
            fail("nothing was changed")
        at = time.time()

        def run() -> dict[str, object]:
            with open_store(location, settings.store, settings.interest.dim, create=False) as again:
                done = asdict(forget_users(again, names, at)) if names else {}
                return done | {"at": at, "vacuumed": again.vacuum() if vacuum else False}

        done = patiently(run) | ({"users": there} if names else {})
        _tell(json_, done, "forgotten")
        if json_:
            return
        if vacuum and not done["vacuumed"]:
            console.print(
                "this is a server: it drops overwritten points when it optimizes its segments (docs/privacy.md)",
                soft_wrap=True,
            )
        elif names and not vacuum and "://" not in location:
            console.print("bytes of them stay in the folder until driftline forget --vacuum", soft_wrap=True)
        if names:
            console.print(REMAINS, soft_wrap=True)


def _tell(json_: bool, done: dict[str, object], what: str) -> None:
    if json_:
        print_json(done)
        return
    if "users" in done:
        absent = f", and {done['absent']} that are not in the store" if done["absent"] else ""
        show(f"{done['users']} users {what}{absent}")
    if done.get("vacuumed"):
        show("the users' part of the folder was written anew")
