"""A search for training settings with optuna: each trial trains a network and is cut off when it falls behind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.errors import MissingExtra, TrainingError
from streams.learning.training.network import network_of, positions
from streams.learning.training.training_run import TrainingRun
from transfer.training.config import TrainConfig

PATIENT_TRIALS = 3
"""Trials that run to their end before any is cut off."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best settings, their validation measure, and all trials: settings, measure, state."""

    config: TrainConfig
    best: float
    trials: list[dict[str, Any]]


def tune(
    run: TrainingRun,
    *,
    seconds: float,
    trials: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tuned:
    """Search until `seconds` or `trials` are spent; the first trial has the settings of the run themselves.

    The measure is NDCG@10 of items new to the user on the validation rows, as in training. A trial that has begun when the
    time is up is finished, or cut off by the median of the others at the same epoch.

    Raises:
        MissingExtra: optuna is not installed.
        TrainingError: too little to train on.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingExtra("tuning needs optuna: pip install 'driftline[train]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns with a traceback of what is raised anyway
    config = run.config
    found = positions(run.data, run.interest, tell)
    deadline = time.monotonic() + seconds

    def objective(trial: Any) -> float:
        chosen = replace(run, config=config.model_copy(update=suggest(trial)))
        best = 0.0

        def on_epoch(row: dict[str, float]) -> None:
            nonlocal best
            best = max(best, row["validation_new"])
            trial.report(best, int(row["epoch"]))
            if trial.should_prune() or (time.monotonic() > deadline and trial.number > 0):
                raise optuna.TrialPruned

        network_of(chosen, found, on_epoch=on_epoch)
        return best

    def told(study: Any, trial: Any) -> None:
        if tell is not None:
            value = "cut off" if trial.value is None else f"{trial.value:.5f}"
            tell(f"trial {trial.number}: {value}; {trial.params}")

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=config.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=PATIENT_TRIALS, n_warmup_steps=1),
    )
    study.enqueue_trial({name: getattr(config, name) for name in SEARCHED})
    study.optimize(objective, n_trials=trials, timeout=seconds, callbacks=[told])
    done = [trial for trial in study.trials if trial.value is not None]
    if not done:
        raise TrainingError("no trial finished; give more time")
    best = study.best_trial
    edges = at_the_edge(best.params)
    if edges and tell is not None:
        tell(f"warning: the best {', '.join(edges)} lie at an end of what was searched; try values beyond it")
    return Tuned(
        config.model_copy(update=best.params),
        float(best.value or 0.0),
        [{"params": trial.params, "value": trial.value, "state": trial.state.name} for trial in study.trials],
    )


RANGES: Mapping[str, tuple[float, float]] = {
    "learning_rate": (3e-4, 6e-3),
    "dropout": (0.0, 0.5),
    "weight_decay": (1e-4, 0.3),
    "repeat_loss": (0.0, 1.0),
    "event_dropout": (0.0, 0.3),
    "id_dropout": (0.0, 0.5),
}
IN_PROPORTION = ("learning_rate", "weight_decay")
CHOICES: Mapping[str, tuple[int, ...]] = {"layers": (1, 2), "ring": (16, 32, 48, 64)}
SEARCHED = (*RANGES, *CHOICES)
NEAR = 0.03
"""Part of a range that counts as its end."""


def suggest(trial: Any) -> dict[str, Any]:
    """Settings of one trial."""
    found = {
        name: trial.suggest_float(name, *ends, log=name in IN_PROPORTION) for name, ends in RANGES.items()
    }
    return found | {name: trial.suggest_categorical(name, list(values)) for name, values in CHOICES.items()}


def at_the_edge(params: Mapping[str, float]) -> list[str]:
    """Settings that are at an end of what was searched, where more might be better; nothing lies below 0 or one layer.

    >>> at_the_edge({"learning_rate": 5.9e-3, "dropout": 0.0, "layers": 1, "ring": 64})
    ['learning_rate', 'ring']
    """
    found = []
    for name, value in params.items():
        if name in CHOICES:
            ends = [CHOICES[name][-1]] if name == "layers" else [CHOICES[name][0], CHOICES[name][-1]]
            edge = value in ends
        else:
            low, high = RANGES[name]
            if name in IN_PROPORTION:
                low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-12))
            part = (value - low) / (high - low)
            edge = part > 1 - NEAR or (part < NEAR and name in IN_PROPORTION)
        if edge:
            found.append(name)
    return found
