"""Verdict: what a new model is worth on a part of the log that it has not learned, beside quick baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from encoders.joined import ContentSpace
from encoders.learned_from import LearnedFrom
from streams.errors import EvaluationError
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.metrics import HEADLINE
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.run import evaluate
from streams.learning.evaluation.summary import summarise
from streams.learning.fit import ItemContent
from streams.learning.split import Split
from streams.learning.training.train import TrainedModel
from streams.learning.training.training_data import TrainingData
from streams.settings import Settings
from transfer.learned.folder import save_model

MODEL: Final = "driftline"
QUICK: Final = ("own+markov", "own+popularity-7d", "popularity")
"""Baselines that take seconds."""
SLICES: Final = ("all", "new", "new in the list", "repeat", "cold-user")
QUERIES: Final = 2000
"""Asked at most, drawn once."""
LEAST_TARGETS: Final = 100


def verdict(
    done: TrainedModel, data: TrainingData, split: Split, settings: Settings, content: ItemContent | None
) -> dict[str, Any]:
    """Judge a model on the test part of a split, as `driftline evaluate --model` does, and say what it is worth.

    content: vectors of the items' texts, as they were encoded for the training.

    Returns:
        Plain values: `sentence`, `better` (True, False, or None where it is no better and no worse), `targets` and `users` of
        each slice, NDCG@10 of each method, differences from each baseline with their 95 % intervals.

    Raises:
        EvaluationError: the model can't be judged by this split.
    """

    history = data.history
    begin = float(history.time[split.test].min())
    # It holds by how the split was made; of an encoder `encoder_knows` tells.
    blind = LearnedFrom(float(np.nextafter(begin, -np.inf)), history.identity, _left_out(split))
    report = {**done.report, "until": blind.until, "data": blind.log, "left_out": blind.left_out}
    encoder = replace(data.encoder, learned=blind)

    def held(space: ContentSpace | None) -> ItemContent | None:
        return content

    with TemporaryDirectory(prefix="driftline-") as folder:
        path = Path(folder) / "model"
        save_model(
            path,
            done.model,
            done.counts,
            report,
            done.encoder,
            lambda beside: encoder.save(beside / "encoder"),
        )
        # The settings may name another encoder: it is the one that stands beside the model.
        setup = Setup(
            model=path,
            encoder=path / "encoder",
            settings=settings,
            item_content=None if content is None else held,
        )
        plan = Plan([*QUICK, MODEL], seeds=1, sample=QUERIES, setup=setup)
        evaluation = evaluate(history, split, plan)
    if MODEL in evaluation.failed or len(evaluation.failed) == len(QUICK):
        raise EvaluationError("; ".join(f"{name}: {reason}" for name, reason in evaluation.failed.items()))
    figures = summarise(evaluation, MODEL)
    return _figures({**figures["tasks"]["open"], "failed": figures["failed"]})


def encoder_knows(data: TrainingData, split: Split) -> bool:
    """Whether the item encoder was fitted on events of the test part, as far as it tells, so that a verdict flatters."""
    learned = data.encoder.learned
    if learned is None:
        return True
    told = (learned.left_out, learned.log) == (_left_out(split), data.history.identity)
    before = learned.until < float(data.history.time[split.test].min())
    return not (before if split.progressive else told)


def _left_out(split: Split) -> str:
    return "" if split.progressive else split.name


def _figures(task: Mapping[str, Any]) -> dict[str, Any]:
    parts = [name for name in SLICES if name in task["slices"]]
    differences = {
        other: {name: found[name] for name in parts} for other, found in task["differences"].items()
    }
    found: dict[str, Any] = {
        "failed": task["failed"],
        "slices": {name: task["slices"][name] for name in parts},
        "methods": {
            key: {name: method["slices"][name][HEADLINE] for name in parts}
            for key, method in task["methods"].items()
        },
        "differences": differences,
    }
    best = max(differences, key=lambda other: float(found["methods"][other]["all"]))
    interval = differences[best]["all"]
    better = True if interval["low"] > 0 else False if interval["high"] < 0 else None
    return {
        "sentence": sentence(best, interval, task["slices"]["all"]["targets"]),
        "best_baseline": best,
        "better": better,
        **found,
    }


def sentence(baseline: str, interval: Mapping[str, float], targets: int) -> str:
    """What the difference from the best baseline means.

    >>> sentence("own+markov", {"difference": 0.0123, "low": 0.004, "high": 0.02}, 2000)
    'better than own+markov, the best of the baselines, by .0123 [.0040, .0200]'
    >>> sentence("popularity", {"difference": 0.001, "low": -0.004, "high": 0.006}, 2000)
    'no better than popularity, by .0010 [-.0040, .0060]: do not use it yet'
    """
    by = f"by {_short(interval['difference'])} [{_short(interval['low'])}, {_short(interval['high'])}]"
    few = f", though judged by {targets} targets alone" if targets < LEAST_TARGETS else ""
    if interval["low"] > 0:
        return f"better than {baseline}, the best of the baselines, {by}{few}"
    kind = "worse" if interval["high"] < 0 else "no better"
    return f"{kind} than {baseline}, {by}{few}: do not use it yet"


def _short(number: float) -> str:
    """Without the zero before the point."""
    return f"{number:.4f}".replace("0.", ".", 1)
