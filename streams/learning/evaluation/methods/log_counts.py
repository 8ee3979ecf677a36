"""Counts of what has happened so far in a log, of items alone: for methods that need to know what is popular."""

from __future__ import annotations

import numpy as np

from streams.learning.count_rows import count_rows, shares_alone
from streams.learning.history import History
from transfer.arrays import I64
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts

PARTS = 3000
"""A log as long as the whole would be counted in so many parts, at most, as the trained model's counts are."""


class LogCounts:
    """Grows by `learn`; merges when it is read, and not at every time, since that costs about as much however little came."""

    def __init__(self, history: History, rows: I64, config: CountsConfig) -> None:
        self._config = shares_alone(config)
        self._history = history
        self._waiting: list[I64] = []
        self._least = max(200, len(history) // PARTS)
        self._counts = count_rows(history, rows, self._config)

    def learn(self, rows: I64) -> None:
        """These have happened, in order of time."""
        self._waiting.append(rows)

    def get(self) -> ItemCounts:
        """The same object until something new is in it."""
        if sum(map(len, self._waiting)) >= self._least:
            rows = np.concatenate(self._waiting)
            self._counts = count_rows(self._history, rows, self._config, self._counts)
            self._waiting = []
        return self._counts
