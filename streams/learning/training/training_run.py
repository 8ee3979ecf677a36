"""TrainingRun: what every stage of a training works on."""

from __future__ import annotations

from dataclasses import dataclass

from streams.learning.split import By
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
    split: By = "time"
    """how the log was cut"""
