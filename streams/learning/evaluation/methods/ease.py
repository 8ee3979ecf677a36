"""EASE: the closed-form linear autoencoder of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.sparse import csr_array

from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.interactions import binary, interactions
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.linear_autoencoder import weights_of
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_choice
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

MAX_ITEMS = 20_000
"""Where there are more users and more items than this, only the most frequent items have weights."""
_TRIED_ITEMS = 5_000
_LAMBDAS = (10.0, 30.0, 100.0, 300.0, 1000.0)
_REFIT_SHARE = 0.05


class Ease:
    """Item weights B with a zero diagonal that rebuild a user's items from the others (Steck, WWW 2019).

    B minimises |X - XB|^2 + lambda |B|^2, so that B = I - P / diag(P) column by column, P = (X'X + lambda I)^-1. X has one
    row a user with 1 for each item. A query's answer is its decayed profile times B. lambda is chosen on validation (with
    the 5,000 most frequent items where there are many of both); once the log has grown by a twentieth, B is computed again.
    """

    name = "ease"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self._half_life: float | None = None
        self._by: DecayClock = "time"

    def set(self, *, half_life: float | None, by: DecayClock) -> None:
        """How fast the profile that is multiplied forgets."""
        self._half_life, self._by = half_life, by

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose lambda, then fit on all of `rows`; the half-lives to try come from the log."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        self.grid = half_life_grid(history, rows)
        matrix, judge = self._matrix(rows), Validation(history, rows, validation)

        def value(lambda_: float) -> float:
            self._weights = weights_of(matrix, lambda_, _TRIED_ITEMS)
            return max(self._valued(judge, params) for params in self.grid[::3])

        self._lambda = best_choice(_LAMBDAS, value)
        self._weights = weights_of(matrix, self._lambda, MAX_ITEMS)

    def learn(self, rows: I64) -> None:
        """Kept for the next fit."""
        self._rows.add(rows)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 profile times weights."""
        if self._rows.due:
            self._weights = weights_of(self._matrix(self._rows.taken()), self._lambda, MAX_ITEMS)
        return self._weights.apply(
            profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        )

    def _matrix(self, rows: I64) -> csr_array:
        return binary(interactions(self._history, rows))

    def _valued(self, judge: Validation, params: Mapping[str, Any]) -> float:
        self.set(**params)
        return judge.mean(self.scores)
