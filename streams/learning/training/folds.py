"""Networks and the later rows that each has not learned: what weighs components must not have seen their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.learning.count_rows import count_rows
from streams.learning.training.continued import continued
from streams.learning.training.network import Tell, epoch_text, model_of, network_of, positions
from streams.learning.training.requests_at import Later, item_index
from streams.learning.training.training_run import TrainingRun
from transfer.arrays import I64
from transfer.learned.item_index import ItemIndex
from transfer.learned.model import LearnedModel
from transfer.training.examples import Examples


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A part of the validation rows, and a model whose network has not learned them."""

    model: LearnedModel
    later: Later


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetworks:
    """The networks of a training."""

    first: LearnedModel
    """trained on the training rows, stopped by the validation rows"""
    served: LearnedModel
    """the same or, where it learned on, one that knows the validation rows too"""
    halves: tuple[tuple[LearnedModel, I64], ...]
    """each part of the validation rows, in order of time, with a model that has not learned it, else as near as can be to
    what serves"""
    report: dict[str, Any]

    def folds(self, run: TrainingRun, index: ItemIndex, progressive: bool) -> list[Fold]:
        """With the counts as they were before each part; index: as after the training rows."""
        counts, folds = index.counts, []
        for model, rows in self.halves:
            folds.append(Fold(model, Later(rows, item_index(model, run.data, counts), progressive)))
            if progressive:
                order = rows[np.argsort(run.data.history.time[rows], kind="stable")]
                counts = count_rows(run.data.history, order, run.counts, counts)
        return folds


def train_networks(
    run: TrainingRun, *, learn_on: bool, logs: Any = None, bar: bool = False, tell: Tell
) -> TrainedNetworks:
    """Train a network on the rows of the run; `learn_on`: then let it learn the validation rows.

    Powers and gates have to be fitted on a network like the one that serves, and on answers that it has not seen (stacking,
    Wolpert 1992): of the validation rows' two halves each is foreseen by a network that has learned on from the other.
    """

    def told(row: dict[str, float]) -> None:
        tell(epoch_text(row))

    found = positions(run.data, run.interest, tell)
    network, report = network_of(run, found, logs=logs, bar=bar, on_epoch=told)
    if report["best_epoch"] == run.config.epochs - 1:
        tell("warning: the network was best in its last epoch; more may be better (train.epochs)")
    first = model_of(run, network)
    early, late = halves_of(run)
    if not learn_on or not _comes_back(run, found, early) or not _comes_back(run, found, late):
        return TrainedNetworks(first, first, ((first, run.validation),), report)
    tell("network: learns on, from each half of the validation part and from both")
    of_late, of_early = continued(run, found, network, late), continued(run, found, network, early)
    served = continued(run, found, network, run.validation)
    return TrainedNetworks(first, served, ((of_late, early), (of_early, late)), report)


def halves_of(run: TrainingRun) -> tuple[I64, I64]:
    """The validation rows before and from the time of their middle event on."""
    time = run.data.history.time[run.validation]
    late = time >= np.median(time)
    return run.validation[~late], run.validation[late]


def _comes_back(run: TrainingRun, found: Examples, rows: I64) -> bool:
    """Whether there is any position to learn from or to foresee."""
    from streams.learning.training.network import positions_at

    return len(positions_at(run, found, rows)) > 0
