"""The report of an evaluation: Markdown with plots beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.learning.evaluation.cold_start_lines import cold_start_lines
from streams.learning.evaluation.metrics import HEADLINE, NAMES
from streams.learning.evaluation.pairs import FIGURES, NEGATIVES, QUERIES
from streams.learning.evaluation.plots import draw_evaluation
from streams.learning.evaluation.reliability_figures import DEFINITIONS, reliability_lines
from streams.learning.evaluation.run import Evaluation
from streams.learning.evaluation.slices import COLD, LARGE, MAIN, NEVER
from streams.learning.evaluation.tables import figure_text, markdown_table
from streams.learning.evaluation.weights import WeightShift
from streams.outputs import whole_folder

NEW = ("never/new", "never/new/large", "dormant/new", "emerging/new", "emerging/new/large", "old/new")
GROUPS = ("cold-item", "activity/low", "activity/middle", "activity/high")
SCENARIOS = 30
"""Scenarios that the report lists, those with the most targets; JSON has all."""


def write_report(
    folder: Path,
    evaluation: Evaluation,
    figures: dict[str, Any],
    command: str,
    shifts: Sequence[WeightShift] = (),
) -> Path:
    """Write report.md, results.json and the plots into a folder; gives the report's path.

    Raises:
        OutputError: the folder can't be written.
        MissingExtra: matplotlib is not installed.
    """
    with whole_folder(folder) as draft:
        plots = draw_evaluation(draft, evaluation, figures, shifts)
        (draft / "results.json").write_text(json.dumps(figures, ensure_ascii=False) + "\n", encoding="utf-8")
        (draft / "report.md").write_text(markdown(figures, command, plots), encoding="utf-8")
    return folder / "report.md"


def markdown(figures: dict[str, Any], command: str, plots: Sequence[str] = ()) -> str:
    """The text of the report."""
    data = figures["data"]
    lines = [
        "# Evaluation",
        "",
        f"`{command}`",
        "",
        f"{data['events']:,} events, {data['users']:,} users, {data['items']:,} items ({data['candidates']:,} of them "
        f"compete at some time), {data['scenarios']} scenarios. Log {data['identity']}.",
        f"Split {data['split']}: {data['train']:,} events to learn from, {data['validation']:,} to choose settings on, "
        f"{data['test']:,} to judge.",
        "",
    ]
    for name, reason in figures["failed"].items():
        lines += [f"**{name} failed**: {reason.splitlines()[-1]}", ""]
    for name, task in figures["tasks"].items():
        lines += _task(name, task, [plot for plot in plots if plot.startswith(f"{name}-")])
    if "cold_start" in figures:
        lines += cold_start_lines(figures["cold_start"])
    lines += [f"![{plot}]({plot})" for plot in plots if not plot.startswith(tuple(figures["tasks"]))]
    lines += _definitions(data)
    return "\n".join(lines) + "\n"


def _task(name: str, task: dict[str, Any], plots: Sequence[str]) -> list[str]:
    methods = task["methods"]
    lines = [
        f"## Task {name}",
        "",
        f"{task['queries']:,} queries of {task['users']:,} users, {task['targets']:,} targets.",
        "",
    ]
    for title, wanted in (
        (f"{HEADLINE} by slice", MAIN),
        ("New to the user, own items taken out", NEW),
        ("Groups", GROUPS),
    ):
        lines += _by_slice(title, task, [part for part in wanted if part in task["slices"]])
    by_targets = sorted(
        (part for part in task["slices"] if part.startswith("scenario/")),
        key=lambda part: -task["slices"][part]["targets"],
    )
    if by_targets:
        lines += _transposed(f"{HEADLINE} by scenario", task, by_targets[:SCENARIOS])
    lines += [
        "### Every measure, all targets",
        "",
        *markdown_table(
            ["method", *NAMES],
            [
                [key, *(figure_text(method["slices"]["all"][n]) for n in NAMES)]
                for key, method in methods.items()
            ],
        ),
    ]
    lines += _pairs(task)
    lines += _differences(task)
    lines += reliability_lines(task)
    lines += [
        "### Lists of 10, fairness, settings, time",
        "",
        *markdown_table(
            [
                "method", "coverage", "Gini", "popularity bias", "gap of activity groups", "relative gap",
                "seeds", "settings", "fit s", "tune s", "test s",
            ],
            [
                [
                    key,
                    *(figure_text(method["lists"][n]) for n in ("coverage", "gini", "popularity_bias")),
                    *(figure_text(method["fairness"][n]) for n in ("gap", "relative_gap")),
                    " ".join(map(figure_text, method[f"{HEADLINE} of each seed"])),
                    "; ".join(map(_settings, method["params"])) or "-",
                    *(f"{method['seconds'][n]:.1f}" for n in ("fit", "tune", "test")),
                ]
                for key, method in methods.items()
            ],
        ),
    ]  # fmt: skip
    edges = [f"{key} {edge}" for key, method in methods.items() for edge in method["edges"]]
    if edges:
        lines += [
            f"**At the edge of what was tried**, so that better settings may lie beyond: {'; '.join(edges)}.",
            "",
        ]
    for plot in plots:
        lines += [f"![{plot}]({plot})", ""]
    return lines


def _pairs(task: dict[str, Any]) -> list[str]:
    rows = [
        [key, *(figure_text(method["pairs"][name]) for name in FIGURES)]
        for key, method in task["methods"].items()
        if method["pairs"] is not None
    ]
    if not rows:
        return []
    return ["### Pairs called taken or not", "", *markdown_table(["method", *FIGURES], rows)]


def _settings(params: dict[str, Any]) -> str:
    """Of one seed: those of all slices, or those of each family."""
    texts = {family: json.dumps(chosen) for family, chosen in params.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{family} {text}" for family, text in texts.items())


def _by_slice(title: str, task: dict[str, Any], parts: Sequence[str]) -> list[str]:
    """Methods down, slices across."""
    if not parts:
        return []
    counts = ["targets", *(f"{task['slices'][part]['targets']:,}" for part in parts)]
    rows = [
        [key, *(figure_text(method["slices"][part][HEADLINE]) for part in parts)]
        for key, method in task["methods"].items()
    ]
    return [f"### {title}", "", *markdown_table(["method", *parts], [counts, *rows])]


def _transposed(title: str, task: dict[str, Any], parts: Sequence[str]) -> list[str]:
    """Slices down, methods across."""
    rows = [
        [
            part.partition("/")[2].replace("|", "\\|"),
            f"{task['slices'][part]['targets']:,}",
            *(figure_text(method["slices"][part][HEADLINE]) for method in task["methods"].values()),
        ]
        for part in parts
    ]
    return [f"### {title}", "", *markdown_table(["scenario", "targets", *task["methods"]], rows)]


def _differences(task: dict[str, Any]) -> list[str]:
    if not task["differences"]:
        return []
    parts = [part for part in (*MAIN, *NEW) if part in task["slices"]]
    rows = [
        [
            other,
            *(
                f"{found['difference']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]{_mark(found)}"
                for found in (by_slice[part] for part in parts)
            ),
        ]
        for other, by_slice in task["differences"].items()
    ]
    return [
        f"### {task['subject']} minus each other method, {HEADLINE}",
        "",
        "95 % interval of a paired bootstrap over users; * above zero, (-) below. ** and (--): still so when corrected for the "
        "slices of the first table (Bonferroni: all of a row's intervals hold together at 95 %; they are in results.json).",
        "",
        *markdown_table([f"{task['subject']} minus", *parts], rows),
    ]


def _mark(found: dict[str, Any]) -> str:
    if found.get("corrected_low", 0) > 0:
        return " **"
    if found.get("corrected_high", 0) < 0:
        return " (--)"
    return " *" if found["low"] > 0 else " (-)" if found["high"] < 0 else ""


def _definitions(data: dict[str, Any]) -> list[str]:
    where = (
        "the items of that scenario"
        if data["items_at_home"]
        else "all of them (items belong to no scenario here)"
    )
    return [
        "",
        "## What is meant",
        "",
        "- A query is a basket (one user, one time), asked of strictly earlier events; each distinct item is a target.",
        "- Full ranking of the items that compete: those that anyone had an event with strictly before the query (leave one "
        "out: in an earlier part), or that the catalogue says were available by then. Equal scores rank in one random order "
        "that the items' ids determine; NaN comes last.",
        f"- Task *given* ranks {where}; an item belongs where its events before validation lie, a later one where its first "
        "event is.",
        "- One relevant item for each target, so that the ideal DCG is 1. Means are over targets and over seeds.",
        "- new: the user had no event with the item, and the user's items are taken out of the ranking; repeat: the rest.",
        "- new in the list: the same targets in the list that people see, the user's items left in.",
        "- Settings are chosen on validation, for all slices and, where they differ, apart for those with own items taken out.",
        "- moved: the item is not in the user's latest basket.",
        f"- never: the user's 1st to {NEVER}th event in a scenario; dormant: a later one after a pause of "
        f"{data.get('dormant_days', 30):g} days; emerging: either; old: neither.",
        f"- large: scenarios of at least {LARGE} items so far. cold: fewer than {COLD} earlier events of the user, or with the "
        "item; new visitors: users without any earlier event.",
        "- unknown: the target does not compete, since nobody had it before: a miss for every method, so that this reads 0.",
        "- Activity: terciles of the users by earlier events. Gap: best minus worst group; relative: to the mean over all.",
        f"- Pairs: targets of up to {QUERIES} queries, each beside {NEGATIVES} items that are new to its user, drawn by how "
        "often items are taken. A pair is called taken from a threshold on, chosen on validation by F1, of the share of "
        "competing items that do not rank before its item.",
        "- Popularity bias: mean percentile of the listed items by training events; .5 is none.",
        *_of_cold_items(data),
        *DEFINITIONS,
    ]


def _of_cold_items(data: dict[str, Any]) -> list[str]:
    share = data.get("cold_items", 0)
    if not share:
        return []
    return [
        f"- Only cold items are asked for: all events with {share:.0%} of the items, drawn at random, are hidden from every "
        "method, and these items compete among themselves. Targets are new to their users, of whom other events are known."
    ]
