"""The events after the training part, as methods learn them while they are judged."""

from __future__ import annotations

import numpy as np

from streams.learning.history import History
from streams.learning.split import Split
from transfer.arrays import I64


class LaterEvents:
    """Events after the training part, in order of time; each is handed out once."""

    def __init__(self, history: History, split: Split) -> None:
        rows = np.concatenate([split.validation, split.test]) if split.progressive else np.empty(0, np.int64)
        self._rows: I64 = rows[np.argsort(history.time[rows], kind="stable")]
        self._times = history.time[self._rows]
        self._next = 0

    def until(self, time: float) -> I64:
        """Rows strictly before `time` that were not handed out yet."""
        end = max(int(np.searchsorted(self._times, time)), self._next)
        rows = self._rows[self._next : end]
        self._next = end
        return rows
