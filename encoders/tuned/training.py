"""Training of a tuned encoder: steps, looks at validation, and the best state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from encoders.arrays import I64
from encoders.tuned.adapter import Adaptation
from encoders.tuned.config import WordsConfig
from encoders.tuned.examples import WordExamples
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.objective import Objective
from encoders.tuned.tower import spare_core

HEAD_RATE = 10
"""The few weights of the head learn so many times as fast as the tower."""
LARGEST_GRADIENT = 1.0
WARM_UP = 5
"""Steps over which the rate rises from 0; after them it falls linearly, to 0 at the last one."""

Figures = Mapping[str, float]
RecordFigures = Callable[[int, Figures], None]
"""Takes a step's number and its figures."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a look at validation tells, and which of its figures decides."""

    look: Callable[[], dict[str, float]]
    decides: str
    higher_is_better: bool = True

    def better(self, figures: Figures, best: Figures | None) -> bool:
        """Whether one look is better than another."""
        if best is None:
            return True
        one, other = figures[self.decides], best[self.decides]
        return one > other if self.higher_is_better else one < other


@dataclass(slots=True)
class TuningCourse:
    """How a training went; the model is left in its best state."""

    looks: list[dict[str, float]] = field(default_factory=list)
    """of each look the step and its figures; step 0 is the base as it is"""
    best: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    positives: int = 0
    seconds: float = 0.0
    stopped: str = ""
    """"patience", "seconds" or "steps\""""
    ranks: list[int] = field(default_factory=list)
    """of adapters in the end"""


def tune_towers(
    model: BiEncoder | CrossEncoder,
    adaptation: Adaptation,
    objective: Objective,
    examples: WordExamples,
    goal: Goal,
    config: WordsConfig,
    budget: tuple[float, RecordFigures],
) -> TuningCourse:
    """Train until validation is no longer better, the steps are done, or the time is over.

    budget: seconds from now on, looks included, and what takes the figures of each step. The state before the first step
    counts as a look: a model that tuning makes worse comes back untuned.
    """
    max_seconds, record = budget
    began = time.monotonic()
    course = TuningCourse()
    head = list(model.head().values())
    groups = [
        {"params": adaptation.trained, "lr": config.rate},
        {"params": head, "lr": config.rate * HEAD_RATE},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, config.steps))
    with spare_core():
        state = _look(goal, course, 0, record, model, adaptation)
        worse = 0
        for step, rows in enumerate(_batches(examples, config), start=1):
            optimiser.zero_grad()
            loss = objective.backward(rows)
            penalty = adaptation.penalty()
            if penalty is not None:
                penalty.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_([*adaptation.trained, *head], LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            adaptation.after_step(step)
            course.steps, course.positives = step, course.positives + len(rows)
            record(step, {"train/loss": loss})
            late = time.monotonic() - began >= max_seconds
            last = step == config.steps
            if late or last or step % config.validate_every == 0:
                found = _look(goal, course, step, record, model, adaptation)
                state, worse = (found, 0) if found is not None else (state, worse + 1)
            if late or last or worse >= config.patience:
                course.stopped = "seconds" if late else "steps" if last else "patience"
                break
    assert state is not None
    adaptation.restore(state[0])
    with torch.no_grad():
        for name, value in model.head().items():
            value.copy_(state[1][name])
    course.ranks = adaptation.ranks()
    course.seconds = time.monotonic() - began
    return course


State = tuple[dict[str, Tensor], dict[str, Tensor]]


def _look(
    goal: Goal,
    course: TuningCourse,
    step: int,
    record: RecordFigures,
    model: BiEncoder | CrossEncoder,
    adaptation: Adaptation,
) -> State | None:
    """The state, if it is the best so far."""
    figures = goal.look()
    record(step, {f"validation/{name}": value for name, value in figures.items()})
    course.looks.append({"step": float(step), **figures})
    if not goal.better(figures, course.best or None):
        return None
    course.best = course.looks[-1]
    return adaptation.state(), {name: value.detach().clone() for name, value in model.head().items()}


def _rate(step: int, steps: int) -> float:
    warm = min(WARM_UP, steps)
    return min((step + 1) / warm, max(0.0, (steps - step) / max(steps - warm, 1)))


def _batches(examples: WordExamples, config: WordsConfig) -> Iterator[I64]:
    """Epoch after epoch; what does not fill a batch is left to the next epoch, unless there is no more."""
    rng = np.random.default_rng(config.seed)
    while True:
        order = examples.epoch(rng, config.user_examples)
        size = min(config.batch, len(order))
        for begin in range(0, len(order) - size + 1, size):
            yield order[begin : begin + size]
