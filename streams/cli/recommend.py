"""driftline recommend"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, print_json, reported, show, store_location

if TYPE_CHECKING:
    from streams.serving.because import Because

_NONE_PASSES: Final = (
    "no item passes --where; names are written as the catalogue has them, and < <= > >= compare numbers and times: "
    "a price such as '€12' is text"
)

_NEW: Final = "this user is not known yet: what is popular now is shown, until the first events come"
_DECLARED: Final = "this user has not acted yet: what the user declared speaks, until the first events come"

_ASKED: Final = (
    "this user is not known yet: these are the items to ask about; send each answer as an event, and nothing for items that "
    "the user does not know"
)


def recommend(
    user: Annotated[str, typer.Argument(metavar="USER", help="User id, as it is in the events.")],
    store: options.Store = None,
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="How many items.")] = 10,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            help="The page or department that asks: its items, by what is known of the user there.",
        ),
    ] = None,
    mode: Annotated[
        Literal["new", "again", "mixed"],
        typer.Option(
            "--mode",
            help="new: only new items; again: only the user's own; mixed: both, by the user's habit.",
        ),
    ] = "mixed",
    exclude_seen: Annotated[
        bool, typer.Option("--exclude-seen", help="Leave out what the user is known to have met.")
    ] = False,
    where: Annotated[
        str,
        typer.Option(
            "--where",
            metavar="NAME=VALUE,...",
            help="Only items whose attributes pass, e.g. 'price<20,brand=acme'; = != < <= > >=.",
        ),
    ] = "",
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="What is available then, instead of now: unix seconds, or 2026-11-25[T12:00:00] in UTC.",
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            metavar="PROBES",
            help="Ask a user who has not acted yet about these items, which `driftline probe` has chosen. Default: "
            "serving.probes of the settings.",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Recommend items to a user from the store alone; the source of each is new, again or declared (the user said so), and
    with a trained model also next (what follows the latest items) or popular. *because* is the event or text that speaks for it
    most. A user who is not known yet gets what is popular, or with --probe the
    items to ask about; their events are the answers.

    Examples: driftline recommend alice --store ./store --k 5
              driftline recommend alice --store ./store --mode new --scenario garden
              driftline recommend alice --store ./store --where 'price<20,brand!=acme'
              driftline recommend newcomer --store ./store --probe probes.json --k 5
    """
    from streams.serving.item_tests import parse_moment, parse_tests
    from streams.serving.model_ranker import ranker_of
    from streams.serving.probes import Probes
    from streams.serving.recommend import Recommender
    from streams.workspace.workspace import open_for_reading

    with reported():
        if mode == "again" and exclude_seen:
            fail("--mode again recommends only what was seen; leave --exclude-seen out", code=2)
        tests, moment = parse_tests(where), None if at is None else parse_moment(at)
        settings = load(config)
        file = probe or settings.serving.probes
        probes = None if file is None else Probes.load(file)
        with open_for_reading(store_location(store, settings), settings) as workspace:
            ranker = ranker_of(workspace)
            recommender = Recommender(workspace, ranker, tests, moment, probes)
            answer = recommender.answer(user, k, scenario, mode, exclude_seen)
            found = answer.items
            if scenario is not None and not ranker.has_items(scenario):
                console.print(f"no item belongs to {scenario!r}: all items compete", soft_wrap=True)
            if not answer.known and mode != "again":
                is_asked = any(item.source == "probe" for item in found)
                said = _ASKED if is_asked else _DECLARED if answer.declared else _NEW
                console.print(said, soft_wrap=True)
                if probes is not None and not is_asked and not answer.declared:
                    console.print("no probe is an item of the store that may be shown here", soft_wrap=True)
            if tests and not found:
                console.print(_NONE_PASSES, soft_wrap=True)
        if json_:
            known = "known" if answer.known else "new"
            print_json({"user_id": user, "items": [item.as_dict() for item in found], "user": known})
            return
        from streams.text_tables import TextTable

        table = TextTable("#", "item", "title", "scenario", "score", "source", "because", title=f"for {user}")
        for rank, item in enumerate(found, 1):
            table.add_row(
                str(rank),
                item.item_id,
                item.title,
                item.scenario,
                f"{item.score:.4f}",
                item.source,
                _told(item.because) or item.reason,
            )
        show(table)


def _told(because: Because | None) -> str:
    """In one line: which event, of which scenario."""
    if because is None:
        return ""
    if because.declared:
        said = because.declared if len(because.declared) <= 40 else f"{because.declared[:39]}…"
        return f"said of {because.scenario}: {said}" if because.scenario else f"said: {said}"
    if because.timestamp is None:
        return f"in {because.scenario}" if because.scenario else ""
    return f"{because.action} of {because.title or because.item_id or 'an item'} in {because.scenario}"
