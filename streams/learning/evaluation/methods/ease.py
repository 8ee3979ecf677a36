"""EASE: the closed-form linear autoencoder of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.sparse import csr_array

from streams.learning.evaluation.families import Family
from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.half_life_search import HalfLifeSearch, distinct
from streams.learning.evaluation.methods.interactions import binary, interactions
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.linear_autoencoder import ItemWeights, weights_of
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_numbers
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

MAX_ITEMS = 20_000
"""Where there are more users and more items than this, only the most frequent items have weights."""
_TRIED_ITEMS = 5_000
_LAMBDAS = (10.0, 30.0, 100.0, 300.0, 1000.0)
_LEAST, _MOST = 1.0, 100_000.0
_REFIT_SHARE = 0.05


class Ease:
    """Item weights B with a zero diagonal that rebuild a user's items from the others (Steck, WWW 2019).

    B minimises |X - XB|^2 + lambda |B|^2, so that B = I - P / diag(P) column by column, P = (X'X + lambda I)^-1. X has one
    row a user with 1 for each item. A query's answer is its decayed profile times B. lambda is chosen on validation for each
    slice family (with the 5,000 most frequent items where there are many of both); the search goes on beyond an edge.

    At the test it knows every strictly earlier event of the user, and B is that of the training and validation part; it is
    computed again once the log has grown by a twentieth.
    """

    name = "ease"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self.tried: Sequence[Mapping[str, Any]] = []
        self._half_life: float | None = None
        self._by: DecayClock = "time"

    def set(self, *, half_life: float | None, by: DecayClock, lambda_: float) -> None:
        """How fast the profile that is multiplied forgets, and one of the fitted lambdas."""
        self._half_life, self._by, self._lambda = half_life, by, lambda_

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose lambda, then fit on all of `rows`; the half-lives to try come from the log."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        matrix = self._matrix(rows)
        search = HalfLifeSearch(Validation(history, rows, validation), half_life_grid(history, rows))

        def value(lambda_: float) -> dict[Family, float]:
            self._weights: dict[float, ItemWeights] = {lambda_: weights_of(matrix, lambda_, _TRIED_ITEMS)}
            return search.value(self, lambda_=lambda_)

        best, tried = best_numbers(_LAMBDAS, value, _LEAST, _MOST)
        chosen = {family: {"lambda_": lambda_} for family, lambda_ in best.items()}
        self._lambdas = [one["lambda_"] for one in distinct(chosen)]
        self.grid, self.tried = search.grid(chosen), search.tried(lambda_=tried)
        self._solve(matrix)
        self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """Kept for the next fit."""
        self._rows.add(rows)

    def refit(self) -> None:
        """Compute B of all that was learned."""
        self._solve(self._matrix(self._rows.taken()))

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 profile times weights."""
        if self._rows.due:
            self.refit()
        return self._weights[self._lambda].apply(
            profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        )

    def _solve(self, matrix: csr_array) -> None:
        self._weights = {}  # what is there may be as large as what comes
        self._weights = {lambda_: weights_of(matrix, lambda_, MAX_ITEMS) for lambda_ in self._lambdas}

    def _matrix(self, rows: I64) -> csr_array:
        return binary(interactions(self._history, rows))
