"""driftline explain"""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location, utc_time


def explain(
    user: Annotated[str, typer.Argument(metavar="USER", help="User id, as it is in the events.")],
    store: options.Store = None,
    recent: Annotated[int, typer.Option("--recent", min=0, help="How many of the latest events.")] = 10,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Explain a user's vector: scenario weights, emergence, masses, recent events, and what moved.

    *weight* is the scenario's part in the fused vector, *mass* the decayed sum of its events, *share* what mass alone would
    give it, *moved* the difference: what emergence and a longer memory did. *emergence* is the log-ratio of the scenario's
    recent rate to its long-run rate, against all of the user's activity; 0 is steady, above is emerging.

    Example: driftline explain alice --store ./store
    """
    from streams.serving.explain import explain as explain_user
    from streams.workspace.workspace import open_for_reading

    with reported():
        settings = load(config)
        with open_for_reading(store_location(store, settings), settings) as workspace:
            explanation = explain_user(workspace, user, recent)
        if json_:
            print_json(explanation.as_dict())
            return
        from streams.text_tables import TextTable

        show(f"{user}: {explanation.summary}")
        for said in explanation.declared:
            show(
                f"says{f' of {said.scenario}' if said.scenario else ''}: {said.text}"
                f"{f' ({said.language})' if said.language else ''}, {utc_time(said.timestamp)}"
            )
        if explanation.declared_share:
            show(f"that is {explanation.declared_share:.0%} of the vector, beside what was done")
        against = f"{explanation.against} against items, " if explanation.against else ""
        show(
            f"{explanation.events} events, {against}{explanation.own_items} own items, "
            f"last event {utc_time(explanation.updated_at)}"
        )
        scenarios = TextTable(
            "scenario", "weight", "emergence", "mass", "share", "moved", "last event", title="scenarios"
        )
        for line in explanation.scenarios:
            scenarios.add_row(
                line.name,
                f"{line.weight:.3f}",
                f"{line.emergence:+.2f}",
                f"{line.mass:.2f}",
                f"{line.share:.3f}",
                f"{line.moved:+.3f}",
                utc_time(explanation.updated_at - line.recency_s),
            )
        show(scenarios)
        events = TextTable("time", "action", "scenario", "item", "title", title="recent events, latest first")
        for event in explanation.recent:
            events.add_row(
                utc_time(event.timestamp),
                event.action,
                event.scenario,
                event.item_id or "(text)",
                event.title,
            )
        show(events)
        if explanation.hidden:
            hidden = TextTable("time", "action", "item", "title", title="hidden for now, latest first")
            for item in explanation.hidden:
                hidden.add_row(utc_time(item.timestamp), item.action, item.item_id or "(gone)", item.title)
            show(hidden)
        if explanation.shown:
            shown = TextTable("last time", "times", "counts", "item", "title", title="shown and not acted on")
            for one in explanation.shown:
                times = str(one.times)
                shown.add_row(
                    utc_time(one.timestamp), times, f"{one.factor:.2f}", one.item_id or "(gone)", one.title
                )
            show(shown)
