"""Popularity: how often an item was used, by anyone, ever or in the last week, or by how many for the first time."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from streams.learning.evaluation.methods.base import Setup
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64
from transfer.codes import NONE, OPEN

WEEK = 7 * 86400.0


class Popularity:
    """Counts of events, over everything; where the request names a scenario, counts in it.

    `window` limits the counts to the time before the first query of a block; items that are equal there rank by their
    count of all time. At the test counts are of all that happened before the block of queries.
    """

    name = "popularity"
    window: float | None = None
    debuts = False
    """whether only events that are their user's first with the item count"""

    def __init__(self, setup: Setup) -> None:
        pass

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Count the training events."""
        self._history = history
        self._rows = np.empty(0, np.int64)
        self._total = csr_array((len(history.scenarios), len(history.items)), dtype=np.float32)
        self.learn(rows)

    def learn(self, rows: I64) -> None:
        """Count further events."""
        rows = rows[self._history.debut[rows] if self.debuts else self._history.item[rows] != NONE]
        self._total += self._counted(rows)
        if self.window is not None:
            self._rows = np.concatenate([self._rows, rows])

    def scores(self, queries: Queries) -> F32:
        """Counts; the same row for all queries that name the same scenario."""
        counts = self._total
        if self.window is not None:
            times = self._history.time
            self._rows = self._rows[np.searchsorted(times[self._rows], queries.time[0] - self.window) :]
            # Counts are below 2 ** 24, so that the share of all time decides between equal counts only.
            counts = self._counted(self._rows) + self._total / (2 * max(float(self._total.sum()), 1.0))
        named, back = np.unique(queries.scenario, return_inverse=True)
        rows = np.stack([_row(counts, scenario) for scenario in named.tolist()])
        return rows[back]

    def _counted(self, rows: I64) -> csr_array:
        """(S, N) events of each scenario and item."""
        item, scenario = self._history.item[rows], self._history.scenario[rows]
        inside = scenario != NONE
        ones = np.ones(int(inside.sum()), np.float32)
        return csr_array((ones, (scenario[inside], item[inside])), shape=self._total.shape)


class PopularityOfAWeek(Popularity):
    """Counts of the last seven days."""

    name = "popularity-7d"
    window = WEEK


class DebutsOfAWeek(PopularityOfAWeek):
    """Counts of the users who had the item for the first time in the last seven days: what new items are taken most."""

    name = "debuts-7d"
    debuts = True


def _row(counts: csr_array, scenario: int) -> F32:
    """(N,) float32 counts of one scenario, or of all."""
    row = counts.sum(axis=0) if scenario == OPEN else counts[[scenario]].toarray()[0]
    return np.asarray(row, np.float32).reshape(-1)
