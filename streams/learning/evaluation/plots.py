"""Plots of an evaluation, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streams.errors import MissingExtra
from streams.learning.evaluation.bootstrap import per_target
from streams.learning.evaluation.metrics import HEADLINE
from streams.learning.evaluation.plan import Task
from streams.learning.evaluation.reliability import ENOUGH, KINDS
from streams.learning.evaluation.result import Result
from streams.learning.evaluation.run import Evaluation
from streams.learning.evaluation.weights import WeightShift

BARS = ("all", "new", "repeat", "moved", "emerging", "old")
PERIODS = 12
"""Points of a line over the test window."""
LEGEND = 10
"""Scenarios that a panel names, the weightiest."""


def draw_evaluation(
    folder: Path, evaluation: Evaluation, figures: dict[str, Any], shifts: Sequence[WeightShift] = ()
) -> list[str]:
    """Write all plots that there is something to show in; gives the files' names.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    names = []
    for task in evaluation.tasks:
        results = evaluation.of(task.name)
        slice_bars(folder / f"{task.name}-slices.png", figures["tasks"][task.name])
        names.append(f"{task.name}-slices.png")
        if evaluation.split.progressive:
            over_time(folder / f"{task.name}-over-time.png", task, results)
            names.append(f"{task.name}-over-time.png")
        judged = {
            name: method["reliability"]
            for name, method in figures["tasks"][task.name]["methods"].items()
            if method["reliability"] is not None
        }
        if judged:
            reliability_diagram(folder / f"{task.name}-reliability.png", judged)
            names.append(f"{task.name}-reliability.png")
    curves = {result.method: result.curves for result in evaluation.results if any(result.curves)}
    if curves:
        learning_curves(folder / "learning-curves.png", curves)
        names.append("learning-curves.png")
    if shifts:
        weight_shift(folder / "weight-shift.png", shifts)
        names.append("weight-shift.png")
    return names


def slice_bars(path: Path, task: Mapping[str, Any]) -> None:
    """One group of bars for each slice, one bar for each method."""
    figure, axes = _axes(9, 4.5)
    parts = [part for part in BARS if part in task["slices"]]
    methods = task["methods"]
    width = 0.8 / max(len(methods), 1)
    for number, (name, method) in enumerate(methods.items()):
        heights = [method["slices"][part][HEADLINE] for part in parts]
        axes.bar(np.arange(len(parts)) - 0.4 + (number + 0.5) * width, heights, width, label=name)
    axes.set_xticks(range(len(parts)), parts)
    _finish(figure, axes, path, "", HEADLINE)


def reliability_diagram(path: Path, judged: Mapping[str, dict[str, Any]]) -> None:
    """How often pairs were hits against how often they should have been, one panel for own items and one for all others.

    A point is a decile of `reliability.deciles`; those of fewer than `ENOUGH` hits are hollow.
    """
    figure, panels = _axes(9, 4.5, columns=len(KINDS))
    for axes, kind in zip(panels, KINDS, strict=True):
        for number, (name, found) in enumerate(judged.items()):
            points = [
                (part["predicted"] / part["draws"], part["hits"] / part["draws"], part["hits"] >= ENOUGH)
                for part in found[kind]["deciles"]
                if part["predicted"] > 0 and part["hits"] > 0
            ]
            if not points:
                continue
            expected, observed, sure = (np.array(column) for column in zip(*points, strict=True))
            colour = f"C{number % 10}"
            axes.plot(expected, observed, color=colour, linewidth=0.8, label=name)
            axes.plot(expected[sure], observed[sure], "o", color=colour, markersize=4)
            axes.plot(expected[~sure], observed[~sure], "o", color=colour, markersize=4, fillstyle="none")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.axline((1e-3, 1e-3), (1e-2, 1e-2), color="0.7", linewidth=0.8, zorder=0)
        axes.set_title(kind, fontsize=9, loc="left")
        axes.set_xlabel("mean probability")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of hits")
    named = [axes for axes in panels if axes.get_legend_handles_labels()[0]]  # those with points
    if named:
        named[0].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=130)


def over_time(path: Path, task: Task, results: Sequence[Result]) -> None:
    """The mean of each method over the periods of the test window."""
    figure, axes = _axes(9, 4.5)
    time = task.queries.time[task.queries.target_query]
    begin, last = float(time.min()), float(time.max())
    period = np.minimum(((time - begin) * (PERIODS / max(last - begin, 1e-9))).astype(np.int64), PERIODS - 1)
    count = np.bincount(period, minlength=PERIODS)
    for result in results:
        sums = np.bincount(period, per_target(result, task.slices["all"]), PERIODS)
        days = (np.arange(PERIODS) + 0.5) * (last - begin) / PERIODS / 86400
        axes.plot(days[count > 0], (sums / np.maximum(count, 1))[count > 0], marker=".", label=result.method)
    _finish(figure, axes, path, "days since the test began", HEADLINE)


def learning_curves(path: Path, curves: Mapping[str, Sequence[Sequence[tuple[float, float]]]]) -> None:
    """A line for each seed of each trained method: (epoch or step, value on validation)."""
    figure, axes = _axes(9, 4.5)
    for number, (name, seeds) in enumerate(curves.items()):
        for seed, points in enumerate(seeds):
            if points:
                at, value = zip(*points, strict=True)
                axes.plot(at, value, color=f"C{number % 10}", marker=".", label=name if seed == 0 else None)
    _finish(figure, axes, path, "epoch", f"{HEADLINE} on validation")


def weight_shift(path: Path, shifts: Sequence[WeightShift]) -> None:
    """How the weights of scenarios moved, one panel a user."""
    figure, panels = _axes(9, 2.2 * len(shifts), len(shifts))
    for axes, shift in zip(np.atleast_1d(panels), shifts, strict=True):
        axes.stackplot(shift.events, shift.weights.T, labels=shift.scenarios[:LEGEND])
        axes.set_title(f"user {shift.user}: weight of each scenario ({shift.model})", fontsize=8, loc="left")
        axes.set_ylim(0, 1)
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    np.atleast_1d(panels)[-1].set_xlabel("events of the user")
    figure.savefig(path, dpi=130)


def _axes(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtra("plots need matplotlib: pip install 'driftline[plots]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


def _finish(figure: Any, axes: Any, path: Path, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=130)
