"""TrainingRun: what every stage of a training works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoders.learned_from import LearnedFrom
from streams.learning.training.training_data import TrainingData
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.training.config import TrainConfig


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """A history, which of its rows are for what, and the settings."""

    data: TrainingData
    rows: I64
    """to train on, in order of time"""
    validation: I64
    """that tell when to stop and how far to trust each component; all of them later than a user's `rows`"""
    interest: InterestConfig
    counts: CountsConfig
    config: TrainConfig
    progressive: bool = True
    """whether time is one for all users, so that counts continue through the validation part as the daemon's do"""
    left_out: str = ""
    """what was left out for a test that time does not tell, as in `LearnedFrom`"""

    @property
    def learned(self) -> LearnedFrom | None:
        """Which events a model of this run has learned from, through its item encoder, too; None: the encoder doesn't tell."""
        history = self.data.history
        rows = np.concatenate([self.rows, self.validation])
        ours = LearnedFrom(float(history.time[rows].max()), history.identity, self.left_out)
        return ours.with_that_of(self.data.encoder.learned)

    @property
    def encoder_saw_validation(self) -> bool:
        """Whether the item encoder knows events of the validation part, so that components look better there than they are."""
        learned, history = self.data.encoder.learned, self.data.history
        if learned is None or self.left_out:
            return False
        return learned.until >= float(history.time[self.validation].min())
