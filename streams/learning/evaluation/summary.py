"""The figures of an evaluation as plain values: what `--json` prints and the report shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.learning.evaluation.bootstrap import (
    CORRECTED_DRAWS,
    DRAWS,
    corrected_level,
    paired_differences,
    per_target,
)
from streams.learning.evaluation.metrics import HEADLINE, all_means, coverage, gini, popularity_bias, values
from streams.learning.evaluation.pairs import FIGURES
from streams.learning.evaluation.plan import Task
from streams.learning.evaluation.reliability import unpacked
from streams.learning.evaluation.reliability_figures import reliability_figures
from streams.learning.evaluation.result import Result
from streams.learning.evaluation.run import Evaluation
from streams.learning.evaluation.slices import ACTIVITY, MAIN, UNKNOWN
from transfer.arrays import I64
from transfer.codes import NONE

SUBJECTS = ("driftline", "analytic")
"""What is compared with all others, if it is there; else the method that was named last."""


def summarise(evaluation: Evaluation, subject: str | None = None, draws: int = 1000) -> dict[str, Any]:
    """Everything: the log, the split, each method on each task and slice, differences from `subject` with intervals;
    and which methods failed, with the reason."""
    return {
        "data": describe(evaluation),
        "failed": evaluation.failed,
        "tasks": {task.name: _task(evaluation, task, subject, draws) for task in evaluation.tasks},
    }


def describe(evaluation: Evaluation) -> dict[str, Any]:
    """What was split how."""
    history, split = evaluation.history, evaluation.split
    return {
        "identity": history.identity,
        "events": len(history),
        "users": len(history.users),
        "items": len(history.items),
        "candidates": len(evaluation.candidates.all),
        "scenarios": len(history.scenarios),
        "items_at_home": evaluation.candidates.by_item_scenario,
        "split": split.name,
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
    }


def _task(evaluation: Evaluation, task: Task, subject: str | None, draws: int) -> dict[str, Any]:
    results = evaluation.of(task.name)
    popularity = _popularity(evaluation)
    chosen = _subject([result.method for result in results], subject)
    return {
        "queries": len(task.queries),
        "targets": task.queries.targets,
        "users": len(np.unique(task.queries.user)),
        "slices": {
            name: {"targets": int(part.chosen.sum()), "users": len(np.unique(task.facts.user[part.chosen]))}
            for name, part in task.slices.items()
        },
        "methods": {result.method: _method(evaluation, task, result, popularity) for result in results},
        "subject": chosen,
        "differences": _differences(task, results, chosen, draws),
    }


def _method(evaluation: Evaluation, task: Task, result: Result, popularity: I64) -> dict[str, Any]:
    by_slice = {}
    for name, part in task.slices.items():
        rank = (result.without_own if part.without_own else result.rank)[:, part.chosen]
        means = [all_means(of_seed) for of_seed in rank]
        by_slice[name] = {key: float(np.mean([mean[key] for mean in means])) for key in means[0]}
    headline = by_slice["all"][HEADLINE]
    groups = [by_slice[f"activity/{name}"][HEADLINE] for name in ACTIVITY if f"activity/{name}" in by_slice]
    return {
        "slices": by_slice,
        f"{HEADLINE} of each seed": [float(values(rank, HEADLINE).mean()) for rank in result.rank],
        "lists": {
            "coverage": coverage(result.top, len(evaluation.candidates.all)),
            "gini": gini(_listed(evaluation, result)),
            "popularity_bias": popularity_bias(result.top, popularity),
        },
        "fairness": {
            "gap": max(groups) - min(groups),
            "relative_gap": (max(groups) - min(groups)) / headline if headline else 0.0,
        },
        "reliability": _reliability(result),
        "pairs": _pair_means(result),
        "params": result.params,
        "edges": result.edges,
        "seconds": {"fit": result.fit_s, "tune": result.tune_s, "test": result.score_s},
    }


def _reliability(result: Result) -> dict[str, Any] | None:
    return reliability_figures(unpacked(result.reliability)) if len(result.reliability) else None


def _pair_means(result: Result) -> dict[str, float] | None:
    if not len(result.pairs):
        return None
    return dict(zip(FIGURES, result.pairs.mean(axis=0).tolist(), strict=True))


def _differences(task: Task, results: list[Result], subject: str, draws: int) -> dict[str, dict[str, Any]]:
    """Of the subject from every other method, slice by slice; those of the main table also as they hold together."""
    by_name = {result.method: result for result in results}
    others = [name for name in by_name if name != subject]
    out: dict[str, dict[str, Any]] = {other: {} for other in others}
    if not others:
        return out
    # In `UNKNOWN` there is nothing to compare.
    family = [name for name in MAIN if name in task.slices and name != UNKNOWN]
    for name, part in task.slices.items():
        together = name in family
        found = paired_differences(
            task.facts.user[part.chosen],
            per_target(by_name[subject], part),
            [per_target(by_name[other], part) for other in others],
            draws * CORRECTED_DRAWS // DRAWS if together else draws,
            levels=(0.95, corrected_level(len(family))) if together else (0.95,),
        )
        for other, (plain, *corrected) in zip(others, found, strict=True):
            out[other][name] = {
                "difference": plain.difference,
                "low": plain.low,
                "high": plain.high,
                "users": plain.users,
            }
            for interval in corrected:
                out[other][name] |= {
                    "corrected_low": interval.low,
                    "corrected_high": interval.high,
                    "corrected_for": len(family),
                }
    return out


def _subject(methods: list[str], wanted: str | None) -> str:
    for name in (wanted, *SUBJECTS):
        if name in methods:
            return str(name)
    return methods[-1]


def _popularity(evaluation: Evaluation) -> I64:
    """(N,) events of each item in the training part."""
    item = evaluation.history.item[evaluation.split.train]
    return np.bincount(item[item != NONE], minlength=len(evaluation.history.items))


def _listed(evaluation: Evaluation, result: Result) -> I64:
    """How often each candidate is in a list."""
    top = result.top[result.top >= 0]
    return np.bincount(top, minlength=len(evaluation.history.items))[evaluation.candidates.all]
