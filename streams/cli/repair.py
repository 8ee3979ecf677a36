"""driftline repair"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, print_json, reported, show, store_location
from streams.cli.log_input import EventFlags, LogInput

if TYPE_CHECKING:
    from streams.ingest.intake import Intake


def repair(
    user: Annotated[
        str | None,
        typer.Argument(
            metavar="[USER]", help="Whose state can't be read. Without one: who is in quarantine."
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all-quarantined", help="Everybody who is in quarantine.")] = False,
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="LOG",
            help="Logs of the time before what the topics still hold; may be given several times.",
        ),
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Forget what was before: begin with the events that are parked.")
    ] = False,
    map_: options.Map = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    store: options.Store = None,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Rebuild states that can't be read, from the topics and from logs; then apply what was parked, then go live.

    An event that topics, logs and parked letters hold several times counts once. Works beside running daemons on a Qdrant
    server; a folder takes one process at a time, so stop its daemon first.

    Example: driftline repair --all-quarantined --from events.parquet --store http://127.0.0.1:6333
    """
    from streams.broker.topics import cluster_id
    from streams.ingest.intake import open_intake
    from streams.repair.repair import Letters, Repair

    with reported():
        settings = load(
            config,
            {
                "broker": {"url": broker},
                "topics": {"prefix": prefix},
                "files": {"encoding": encoding, "delimiter": delimiter},
            },
        )
        location = store_location(store, settings)
        logs = None
        if from_ and not drop:
            logs = LogInput(from_, EventFlags(map_, action, scenario, time_, action_map)).open_log(settings)
        with open_intake(location, settings, create=False) as intake:
            points = _points(intake, user, all_)
            if points is None:
                _list(intake, json_)
                return
            letters = Letters(
                settings.broker,
                settings.topics.name("dead_letters"),
                cluster_id(settings.broker),
                settings.topics.layout(),
            )
            if logs is not None:
                logs = logs.with_actions(intake.workspace.interest.action_names)
            names = [] if user is None else [user]
            done = Repair(intake, letters).run(points, names, logs, drop=drop)
        if done.cut_topics and not json_:
            console.print(
                f"older events are gone from {', '.join(done.cut_topics)}: give logs of that time with --from",
                soft_wrap=True,
            )
        if json_:
            print_json(asdict(done))
        else:
            for point in done.without_events:
                console.print(
                    f"{point}: no event of this user was found; give logs with --from, or its id with --drop",
                    soft_wrap=True,
                )
            if done.waiting:
                console.print(
                    f"{done.waiting} events were parked meanwhile; apply them later: driftline dead-letters redrive --reason "
                    "user_quarantined",
                    soft_wrap=True,
                )
            show(
                f"{done.users} users: {done.events} events ({done.from_topics} in topics, {done.from_logs} in logs, "
                f"{done.parked} parked), {done.late} parked meanwhile"
            )


def _points(intake: Intake, user: str | None, all_: bool) -> list[str] | None:
    """Ids of the points to repair; None where none was named."""
    from sinks.points import user_point_id
    from streams.worker.unreadable_users import is_unreadable, refuse_other_release
    from transfer.state.packing import unpack_states

    quarantined = [entry.point for entry in intake.quarantine.all()]
    if all_:
        return quarantined
    if user is None:
        return None
    point = user_point_id(user)
    if point not in quarantined:
        try:
            (record,) = intake.store.users.read([user])
            unpack_states([b"" if record is None else record.state], intake.workspace.interest)
        except Exception as error:
            if not is_unreadable(error):
                raise
            refuse_other_release(error)
            intake.quarantine.put(user, type(error).__name__)
        else:
            fail("the user's state can be read, and it is not in quarantine: there is nothing to repair")
    return [point]


def _list(intake: Intake, json_: bool) -> None:
    entries = intake.quarantine.all()
    if json_:
        print_json({"quarantined": [asdict(entry) for entry in entries]})
        return
    for entry in entries:
        since = datetime.fromtimestamp(entry.since, UTC).isoformat(timespec="seconds")
        show(f"{entry.point}  since {since}  {entry.why}")
    show(
        f"{len(entries)} users in quarantine; repair one with driftline repair USER, all with --all-quarantined"
    )
