"""Own items: what the user used before, by decayed counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

TAIL = 1e-6
"""Weight of the slow tail: it only decides between items of which the decayed sum has nothing left."""


class OwnItems:
    """The user's own items, by sums that halve in `half_life` of the log's time unit or in so many events.

    Half-lives are those of the log: powers of 4 from a quarter of a short gap between a user's baskets to a long history.

    At the test it knows every strictly earlier event of the user, and nothing else.
    """

    name = "own"

    def __init__(self, setup: Setup) -> None:
        self.grid: list[dict[str, Any]] = []
        self._half_life: float | None = None
        self._by: DecayClock = "time"

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Find the half-lives to try."""
        self._history = history
        self.grid = half_life_grid(history, rows)

    def set(self, half_life: float | None, by: DecayClock) -> None:
        """Use this half-life."""
        self._half_life, self._by = half_life, by

    def learn(self, rows: I64) -> None:
        """Nothing: the user's events are read as of each query."""

    def scores(self, queries: Queries) -> F32:
        """Decayed sums; 0 for items that are not the user's."""
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        return np.asarray(own.toarray(), np.float32)


def half_life_grid(history: History, rows: I64) -> list[dict[str, Any]]:
    """Settings `{"half_life", "by"}` that are worth trying on this log: what its training events `rows` span."""
    rows = np.sort(rows)
    user, time = history.user[rows], history.time[rows]
    gaps = np.diff(time)[(user[1:] == user[:-1]) & (time[1:] > time[:-1])]
    grid: list[dict[str, Any]] = [{"half_life": None, "by": "time"}]
    if not len(gaps):
        return grid
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    spans = time[np.append(starts[1:], len(rows)) - 1] - time[starts]
    short, long = float(np.quantile(gaps, 0.05)), float(np.quantile(spans, 0.9))
    half_life = short / 4
    while half_life <= long:
        grid.append({"half_life": half_life, "by": "time"})
        half_life *= 4
    counts = np.diff(np.append(starts, len(rows)))
    events, longest = 0.25, float(np.quantile(counts, 0.9))
    while events <= longest:
        grid.append({"half_life": events, "by": "count"})
        events *= 4
    return grid
