"""WordsRun: what an encoder is tuned on, and stopped by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoders.learned_from import LearnedFrom
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.split import Split
from transfer.arrays import I64


@dataclass(frozen=True, slots=True, eq=False)
class WordsRun:
    """A history, and which of its events are for what; nothing else of it is looked at."""

    history: History
    rows: I64
    """to learn from"""
    validation: Queries
    """that tell when to stop; later than `rows`"""
    left_out: str = ""
    """what was left out for a test that time does not tell, as in `LearnedFrom`"""

    @classmethod
    def of_split(cls, history: History, split: Split) -> WordsRun:
        """Training and validation part of a split."""
        return cls(history, split.train, split.queries(history, "validation", "open"), split.leaves_out)

    @property
    def learned(self) -> LearnedFrom:
        """Which events a model of this run has learned from."""
        times = np.concatenate([self.history.time[self.rows], self.validation.time])
        return LearnedFrom(float(times.max()), self.history.identity, self.left_out)
