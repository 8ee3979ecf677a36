"""A search for training settings with optuna: each trial trains a network and is cut off when it falls behind."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    return Tuned(
        config.model_copy(update=best.params),
        float(best.value or 0.0),
        [{"params": trial.params, "value": trial.value, "state": trial.state.name} for trial in study.trials],
    )


SEARCHED = (
    "learning_rate",
    "dropout",
    "weight_decay",
    "layers",
    "repeat_loss",
    "event_dropout",
    "id_dropout",
    "ring",
)


def suggest(trial: Any) -> dict[str, Any]:
    """Settings of one trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 6e-3, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "repeat_loss": trial.suggest_float("repeat_loss", 0.0, 1.0),
        "event_dropout": trial.suggest_float("event_dropout", 0.0, 0.3),
        "id_dropout": trial.suggest_float("id_dropout", 0.0, 0.5),
        "ring": trial.suggest_categorical("ring", [16, 32, 48, 64]),
    }
