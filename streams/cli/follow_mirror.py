"""driftline follow-mirror"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import fail, load, print_json, reported, show, store_location

if TYPE_CHECKING:
    from streams.broker.config import BrokerConfig
    from streams.settings_sections import DaemonConfig


def follow_mirror(
    old: Annotated[
        str, typer.Option("--old", metavar="URL", help="The Kafka that the store has followed until now.")
    ],
    broker: options.Broker = None,
    store: options.Store = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Consumer group of the store's daemons (daemon.group).")
    ] = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Find out where a store continues in a mirror of its topics in another cluster, and note it in the store.

    A mirror's offsets differ. Of each partition the last records that are in the store are read from the old cluster and looked
    for in the new one. Stop the store's daemons first; afterwards `run --broker NEW` continues without gap or double.

    Example: driftline follow-mirror --old kafka-old:9092 --broker kafka-new:9092 --store http://127.0.0.1:6333
    """
    from streams.broker.topics import existing_topics
    from streams.ingest.intake import open_intake
    from streams.replay.mirror import Mirror

    with reported():
        settings = load(
            config,
            {"broker": {"url": broker}, "topics": {"prefix": prefix}, "daemon": {"group": group}},
        )
        before = settings.broker.model_validate({**settings.broker.model_dump(), "url": old})
        location = store_location(store, settings)
        with open_intake(location, settings, create=False) as intake:
            mirror = Mirror(intake.store, before, settings.broker)
            if not intake.store.exclusive:
                for side in (before, settings.broker):
                    _require_stopped(side, settings.daemon, intake.store.id)
            found = settings.topics.layout().found(existing_topics(settings.broker))
            positions = mirror.positions(found.slots)
            mirror.note(positions)
        if json_:
            print_json({"partitions": [asdict(one) for one in positions]})
            return
        for one in positions:
            show(f"{one.topic}/{one.partition}: {one.old} there is {one.new} here")
        show(f"{len(positions)} partitions; run --broker {settings.broker.url} continues there")


def _require_stopped(broker: BrokerConfig, daemon: DaemonConfig, store_id: str) -> None:
    """No daemon of the store is in the group; one that has just ended may stand there until its session is over."""
    from streams.broker.cluster_view import view_cluster
    from streams.worker.group_pairing import member_store

    until = time.monotonic() + daemon.session_timeout_s + 1.0
    while True:
        with view_cluster(broker) as view:
            members = view.members(daemon.group)
        if store_id not in map(member_store, members):
            return
        if time.monotonic() > until:
            fail(f"a daemon of this store is at work on {broker.url}: stop it, then do this again")
        time.sleep(0.5)
