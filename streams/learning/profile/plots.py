"""A profile as plots: gaps, evidence, sizes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import MissingExtra
from streams.learning.history import History
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.durations import duration
from streams.learning.profile.facts import own_counts
from streams.learning.profile.proposal import KINDS
from streams.learning.profile.run import Profile
from streams.outputs import whole_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (7.5, 4.5)
DPI = 110


def check_plots() -> None:
    """Say before the work that there is nothing to draw with.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("plots need matplotlib: pip install 'driftline[plots]'")


def draw_profile(profile: Profile, history: History, folder: Path) -> list[Path]:
    """Draw gaps.png, half_lives.png and sizes.png into `folder`, which is made if need be.

    Raises:
        OutputError: the folder can't be written.
    """
    with whole_folder(folder) as draft:
        drawn = [
            _drawn(draft / "gaps.png", lambda axes: _gaps(axes, profile, history)),
            _drawn(draft / "half_lives.png", lambda axes: _half_lives(axes, profile)),
            _drawn(draft / "sizes.png", lambda axes: _sizes(axes, profile, history)),
        ]
    return [folder / path.name for path in drawn]


def _drawn(path: Path, on: Any) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    on(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path)
    return path


def _gaps(axes: Axes, profile: Profile, history: History) -> None:
    clock = profile.facts.clock
    gaps = baskets_of(history).gaps_s
    gaps = gaps[gaps > 0]
    if len(gaps):
        edges = np.geomspace(max(gaps.min(), 1e-3) / 1.5, gaps.max() * 1.5, 60)
        axes.hist(gaps, edges.tolist(), color="0.75", label=f"{len(gaps):,} gaps from basket to basket")
    for life in profile.proposal.half_lives_s:
        axes.axvline(life, color="C0", lw=1.2)
        axes.annotate(
            duration(life, clock), (life, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right",
            fontsize="small", color="C0",
        )  # fmt: skip
    axes.plot([], [], color="C0", label="proposed half-lives")
    axes.set(xscale="log", xlabel=_unit(profile), ylabel="gaps")


def _half_lives(axes: Axes, profile: Profile) -> None:
    for kind, curve in profile.proposal.curves.items():
        best = max(float(curve.mean.max()), 1e-12)
        axes.plot(
            curve.half_lives_s, curve.mean / best, "o-", ms=3, label=f"items {KINDS[kind]} (best {best:.4f})"
        )
    for life in profile.proposal.half_lives_s:
        axes.axvline(life, color="0.7", lw=1, zorder=0)
    axes.plot([], [], color="0.7", label="proposed")
    axes.set(
        xscale="log",
        xlabel=f"half-life, {_unit(profile)}",
        ylabel="NDCG@10, share of the best",
        ylim=(0, 1.05),
    )


def _sizes(axes: Axes, profile: Profile, history: History) -> None:
    room = profile.proposal.own_items
    for label, sizes in (("events", np.diff(history.offsets)), ("items", own_counts(history))):
        ordered = np.sort(sizes)
        axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), label=f"{label} of a user")
    axes.axvline(room, color="0.6", lw=1, ls="--", label=f"own_items = {room}")
    axes.set(xscale="log", xlabel="number", ylabel="share of users", ylim=(0, 1.02))


def _unit(profile: Profile) -> str:
    return "events" if profile.facts.clock.kind == "positions" else "seconds"
