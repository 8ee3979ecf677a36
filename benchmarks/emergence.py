"""How soon does a new scenario lead, and how often does one lead that shouldn't? One JSON line a model.

    python benchmarks/emergence.py                          (some minutes)
    python benchmarks/emergence.py --seeds 1 --users 10     (a look)
    python benchmarks/emergence.py --model MODEL            the trained model of this folder as well

Simulated users whose drift is known (benchmarks/workloads/drift.py: habits in visits, busy and quiet times, bursts, strays;
then a new scenario, a dormant one that returns, a gradual drift, or nothing) go through the real `apply_events` one event
at a time; after each, every model is asked. *Leads* means: the largest weight. Models: `analytic` as shipped, a plain
moving average at each half-life (weights are shares of mass, the vector is the sum at it), the trained one. Settings of
half-lives, on the same users: `shop` is the default and the one that the target is for.

Figures, each `[value, low, high]` with a 95 % interval of the bootstrap over users (all seeds together, 1,000 draws):

    until_lead   events of the drift's scenario, that event included, until it leads for the first time; null is never.
                 `after_due`: for the gradual drift, counted from where its true share is the largest (0: led before).
                 `held`: share of the rest of the drift at which it still leads.
    false        false emergences per 1,000 events: after a user's first 50 events some scenario takes the lead that is
                 neither the drift's nor an old one with half of the largest habit's share (takeovers.py has the fine
                 print, among it that a habit back after 30 days is not judged). All users count, those with a drift
                 too; `control` are those without. Some are chance: the average at the longest half-life has them too,
                 though it never follows a drift.
    back         events in old scenarios, once the user goes back to them, until one of these leads.
    old          of the old scenarios: weight, and share of the 20 nearest items of 800 to the fused vector, before the
                 drift, at its end, and five old events after the user went back. What is missing at the end is regressed.

The target: `new` leads within 5 of its events (median and p90), and less than one false emergence per 1,000 events.

What was chosen where: the formula and the settings of the analytic model, and what counts as false (warm-up, the share of a
habit that may lead, habits that return), were settled while looking at seed 100, which is therefore optimistic; how long a
pause is dormancy was, later, while looking at seeds 100 to 102, and the part of a life-long memory (`lifelong_share`, without
which false emergences are a sixth more, old scenarios return later and gradual drift is followed 7 events sooner) at seeds
100 to 105. Seeds 0, 1 and 2 were followed afterwards and nothing was changed for them. Memory bounds what can be reached: an
average over the longest half-life, which follows no drift in time, has false emergences of its own, since by chance of the
visits a lesser habit outweighs the main one. A pause shorter than 1.5 of the longest half-life is no dormancy to the
model, so `slow` does not see the dormant ones return, and `quick` takes every week's absence for one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.drift import CAUSES, KINDS, drifting_users, item_vectors
from benchmarks.workloads.followed import MovingAverage, follow
from benchmarks.workloads.report import where
from benchmarks.workloads.takeovers import Judged, joined, judge
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F64, I64
from transfer.config import InterestConfig
from transfer.protocols import TransferModel

SETTINGS = {
    "shop": (3600.0, 86400.0, 2592000.0),
    "quick": (600.0, 21600.0, 604800.0),
    "slow": (86400.0, 604800.0, 7776000.0),
}
DIM = 32
WITHIN = 5
DRAWS = 1000
CONTROL = KINDS.index("control")
Figure = list[float | None]
Statistic = Callable[[I64], float]


def main() -> None:
    """Follow, judge, print."""
    options = _options()
    interests = {name: InterestConfig(dim=DIM, half_lives_s=lives) for name, lives in SETTINGS.items()}
    trained = None if options.model is None else _trained(options.model)
    if trained is not None:
        interests["model"] = trained[0]
    began = time.perf_counter()
    judged: dict[str, dict[str, list[Judged]]] = {}
    for seed in range(options.seeds):
        users = drifting_users(options.users, seed)
        for setting, interest in interests.items():
            models = _models(interest, None if trained is None or setting != "model" else trained[1])
            traces = follow(users, item_vectors(interest.dim, seed), interest, models)
            for name, trace in traces.items():
                judged.setdefault(name, {}).setdefault(setting, []).append(judge(users, trace))
    told = {
        "benchmark": "emergence",
        "users_of_each_kind": options.users,
        "seeds": list(range(options.seeds)),
        "half_lives_s": {name: list(interest.half_lives_s) for name, interest in interests.items()},
        "baseline": "moving average, longest half-life",
        "seconds": round(time.perf_counter() - began, 1),
        **where(None),
    }
    for name, settings in judged.items():
        print(json.dumps({"model": name, **_line(settings, judged[_average(-1)])} | told))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=40, help="of each kind and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    return parser.parse_args()


def _trained(folder: Path) -> tuple[InterestConfig, TransferModel]:
    """The model and the configuration of the states that it reads; without them the program ends and says why."""
    try:
        from transfer.learned.folder import load_model
    except ImportError as error:
        sys.exit(f"--model {folder}: this version of Driftline has no trained models ({error})")
    try:
        model = load_model(folder)
        return model.interest, model
    except Exception as error:  # whatever is wrong with it, the folder is what the user can fix
        sys.exit(f"--model {folder}: not a model that can be loaded ({type(error).__name__}: {error})")


def _average(horizon: int) -> str:
    return f"moving average, {('shortest', 'middle', 'longest')[horizon]} half-life"


def _models(interest: InterestConfig, trained: TransferModel | None) -> Mapping[str, TransferModel]:
    models: dict[str, TransferModel] = {"analytic": AnalyticTransfer(interest)}
    for place, horizon in enumerate((0, len(interest.half_lives_s) // 2, len(interest.half_lives_s) - 1)):
        models[_average(place)] = MovingAverage(interest, horizon)
    if trained is not None:
        models["trained"] = trained
    return models


def _line(settings: Mapping[str, list[Judged]], baseline: Mapping[str, list[Judged]]) -> dict[str, Any]:
    figures = {name: _figures(seeds, baseline[name]) for name, seeds in settings.items()}
    main_setting = "shop" if "shop" in figures else "model"
    until, false = figures[main_setting]["new"]["until_lead"], figures[main_setting]["false"]["all"]
    met = all(until[name][0] is not None and until[name][0] <= WITHIN for name in ("median", "p90"))
    return {
        "target": {
            "setting": main_setting,
            "median": until["median"][0],
            "p90": until["p90"][0],
            "false_per_1000": false[0],
            "met": bool(met and false[0] < 1.0),
        },
        "settings": figures,
    }


def _figures(seeds: list[Judged], baseline: list[Judged]) -> dict[str, Any]:
    one, other = joined(seeds), joined(baseline)
    # One set of draws for all figures, so that differences are paired.
    rng = np.random.default_rng(0)
    users = len(one.kind)
    draws = [np.arange(users), *rng.integers(users, size=(DRAWS, users))]

    def figure(statistic: Statistic) -> Figure:
        drawn = np.array([statistic(rows) for rows in draws])
        # Percentiles of infinities (never) need a method that doesn't interpolate.
        ends = np.percentile(drawn[1:], (2.5, 97.5), method="nearest")
        return [_rounded(value) for value in (drawn[0], *ends)]

    def rate(judged: Judged, count: F64) -> Statistic:
        return lambda rows: 1000 * count[rows].sum() / judged.events[rows].sum()

    found: dict[str, Any] = {
        name: _of_kind(one, other, code, figure) for code, name in enumerate(KINDS) if code != CONTROL
    }
    every = one.false.sum(axis=1)
    calm = np.flatnonzero(one.kind == CONTROL)
    ours, theirs = rate(one, every), rate(other, other.false.sum(axis=1))
    found["false"] = {
        "all": figure(ours),
        "control": figure(lambda rows: ours(rows[np.isin(rows, calm)])),
        "less_than_baseline": figure(lambda rows: theirs(rows) - ours(rows)),
        **{cause: figure(rate(one, one.false[:, code])) for code, cause in enumerate(CAUSES)},
        "events": int(one.events.sum()),
        "each_seed": [round(1000 * float(seed.false.sum() / seed.events.sum()), 3) for seed in seeds],
    }
    return found


def _of_kind(one: Judged, other: Judged, code: int, figure: Callable[[Statistic], Figure]) -> dict[str, Any]:
    def of(values: F64, statistic: Callable[[F64], Any]) -> Figure:
        return figure(lambda rows: float(statistic(values[rows[one.kind[rows] == code]])))

    def ninth(values: F64) -> Any:
        return np.percentile(values, 90, method="higher")

    def middle(values: F64) -> Any:
        return np.percentile(values, 50, method="higher")

    gain = (one.delay <= WITHIN).astype(np.float64) - (other.delay <= WITHIN)
    return {
        "until_lead": {
            "median": of(one.delay, middle),
            "p90": of(one.delay, ninth),
            f"within_{WITHIN}": of((one.delay <= WITHIN).astype(np.float64), np.mean),
            f"within_{WITHIN}_more_than_baseline": of(gain, np.mean),
            "never": of(np.isinf(one.delay).astype(np.float64), np.mean),
        },
        "after_due": {"median": of(one.after_due, middle), "p90": of(one.after_due, ninth)},
        "held": of(one.held, np.mean),
        "back": {"median": of(one.back, middle), "p90": of(one.back, ninth)},
        "old": {
            name: {
                "before": of(values[:, 0], np.mean),
                "at_the_end": of(values[:, 1], np.mean),
                "five_after": of(values[:, 2], np.mean),
            }
            for name, values in (("weight", one.weight), ("retrieved", one.retrieved))
        },
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


if __name__ == "__main__":
    main()
