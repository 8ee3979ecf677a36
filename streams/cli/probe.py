"""driftline probe"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, progress_lines, reported, show
from streams.cli.log_input import EventFlags, LogInput, read_history

if TYPE_CHECKING:
    from streams.serving.probes import ProbeList
    from streams.text_tables import TextTable

SHOWN_SCENARIOS = 10


def probe(
    log: options.Log,
    out: Annotated[Path, typer.Option("--out", metavar="PROBES", help="JSON file to write.")],
    items: Annotated[
        str | None,
        typer.Option("--items", metavar="CATALOGUE", help="The catalogue, for the scenarios of items."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="Items of a list, at most.")] = 20,
    candidates: Annotated[
        int,
        typer.Option("--candidates", min=1, max=1000, help="Best known items that are chosen from."),
    ] = 80,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the users who judge.")] = 0,
    split: options.SplitBy = None,
    holdout_share: options.HoldoutShare = 0.1,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    force: options.ForceSplit = False,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Find the items to ask new users about: those whose answers ("I like it", "I know it and don't") tell most of what else
    they like. One list for all items, and one for each scenario that has enough users.

    Chosen one by one among the best known items, by what the answers of other users gain. A quarter of the users choose nothing
    and say what the lists are worth, beside asking about what most people like. Nothing of the test part is looked at.

    Use it with `recommend --probe PROBES` or serving.probes. Answers are ordinary events.

    Example: driftline probe events.parquet --items items.parquet --map scenario=department --out probes.json
    """
    from streams.learning.probes.fit import ProbePlan
    from streams.learning.probes.make import make_probes
    from streams.learning.split import SplitPlan
    from streams.outputs import check_output

    with reported():
        check_output(out, force)
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        history = read_history(given, settings, json_)
        cut = SplitPlan(split, holdout_share, validation_share=0.0, force=force).of(history)
        plan = ProbePlan(count=count, candidates=candidates)
        found = make_probes(history, cut, settings.interest, plan, seed, progress_lines(json_))
        found.save(out)
        if json_:
            print_json(
                {
                    "probes": str(out),
                    "until": found.until,
                    "users": found.users,
                    "likes": dict(found.likes),
                    "overall": _summary(found.overall),
                    "scenarios": {name: _summary(one) for name, one in found.scenarios.items()},
                }
            )
            return
        show(_table(found.overall))
        for line in worth(found.overall):
            show(line)
        if found.likes["all_alike"]:
            console.print("no event says that an item is known and not liked: every act is a like")
        for name, one in list(found.scenarios.items())[:SHOWN_SCENARIOS]:
            show(f"{name}: {', '.join(item.item_id for item in one.items[:5])}, ...; {_first_line(one)}")
        if len(found.scenarios) > SHOWN_SCENARIOS:
            show(f"and {len(found.scenarios) - SHOWN_SCENARIOS} more scenarios")
        show(f"written to {out}; use it with recommend --probe {out}")


def worth(found: ProbeList) -> list[str]:
    """What the list gains over the most liked items, a line for each number of questions, and whether that may be chance."""
    judged = found.judged
    if not judged:
        return ["none of the users who judge has an answer: what the list is worth is not known"]
    lines = [
        f"NDCG@10 of {judged['users']} users by whom nothing was chosen, {judged['nothing_asked']:.4f} with nothing asked:"
    ]
    for asked, interval in judged["greedy_minus"]["most liked"].items():
        means = judged["ndcg@10"]
        lines.append(
            f"  {asked:>2} asked: {means['greedy'][asked]:.4f}, most liked items {means['most liked'][asked]:.4f}: "
            f"{interval['difference']:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]"
            + ("" if interval["low"] > 0 else " (worse)" if interval["high"] < 0 else " (may be chance)")
        )
    return lines


def _first_line(found: ProbeList) -> str:
    lines = worth(found)
    return lines[1].strip() if len(lines) > 1 else lines[0]


def _summary(found: ProbeList) -> dict[str, object]:
    return {"items": [one.item_id for one in found.items], "judged": dict(found.judged)}


def _table(found: ProbeList) -> TextTable:
    from streams.text_tables import TextTable

    table = TextTable("#", "item", "known", "liked", "gain", "likers like more", title="ask about")
    for rank, one in enumerate(found.items, 1):
        table.add_row(
            str(rank),
            one.item_id,
            f"{one.known:.0%}",
            f"{one.liked:.0%}",
            f"{one.gain:.4f}",
            ", ".join(list(one.if_liked)[:3]),
        )
    return table
