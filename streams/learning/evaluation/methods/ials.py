"""iALS: factors of users and items by alternating least squares on implicit counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix

from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.interactions import interactions
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_choice
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_FACTORS = 64
_ROUNDS = 10
_ALPHA = (1.0, 10.0)
_REGULARISATION = (0.01, 1.0, 30.0)
_REFIT_SHARE = 0.1


class ImplicitALS:
    """Matrix factorisation of Hu, Koren & Volinsky (ICDM 2008), by `implicit`; 64 factors.

    The confidence of a user's item is 1 + alpha log(1 + count). alpha and the regularisation are chosen on validation. A
    query's user vector is solved again from its decayed profile against the item factors, so that it knows every strictly
    earlier event. Factors are fitted again when the log has grown by a tenth.
    """

    name = "ials"

    def __init__(self, setup: Setup | None = None) -> None:
        self._seed = setup.seed if setup is not None else 0
        self.grid: Sequence[Mapping[str, Any]] = []
        self.set(half_life=None, by="time")

    def set(self, *, half_life: float | None, by: DecayClock) -> None:
        """Half-life of the profile that the user vector is solved from."""
        self._half_life, self._by = half_life, by

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose alpha and the regularisation, then fit on all of `rows`."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        self.grid = half_life_grid(history, rows)
        judge = Validation(history, rows, validation)

        def value(choice: tuple[float, float]) -> float:
            self._factor(rows, *choice)
            return max(self._valued(judge, params) for params in self.grid[::3])

        self._choice = best_choice(list(product(_ALPHA, _REGULARISATION)), value)
        self._factor(rows, *self._choice)

    def learn(self, rows: I64) -> None:
        """Kept for the next fit."""
        self._rows.add(rows)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 products of factors."""
        if self._rows.due:
            self._factor(self._rows.taken(), *self._choice)
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        result: F32 = self._solved(own) @ self._items.T
        return result

    def _factor(self, rows: I64, alpha: float, regularisation: float) -> None:
        counts = interactions(self._history, rows)
        counts.data = 1 + np.float32(alpha) * np.log1p(counts.data)
        model = AlternatingLeastSquares(
            factors=_FACTORS,
            alpha=1.0,  # `implicit` takes alpha times the entry as the whole confidence, not 1 + it
            regularization=regularisation,
            iterations=_ROUNDS,
            num_threads=1,
            random_state=self._seed,
            use_gpu=False,
        )
        model.fit(csr_matrix(counts), show_progress=False)
        self._items: F32 = np.asarray(model.item_factors, np.float32)
        self._alpha, self._regularisation = alpha, regularisation

    def _solved(self, own: csr_array) -> F32:
        """(Q, F) user factors x = (Y'Y + Y'(C - I)Y + reg I)^-1 Y'C p of profiles (Q, N)."""
        factors = self._items
        base = factors.T @ factors + self._regularisation * np.eye(_FACTORS, dtype=np.float32)
        left = np.repeat(base[None], own.shape[0], axis=0)
        confidence = 1 + self._alpha * np.log1p(own.data)
        for row in range(own.shape[0]):
            begin, end = own.indptr[row : row + 2]
            used = factors[own.indices[begin:end]]
            left[row] += (used * (confidence[begin:end] - 1)[:, None]).T @ used
        weighted = csr_array((confidence, own.indices, own.indptr), shape=own.shape)
        solved: F32 = np.linalg.solve(left, (weighted @ factors)[:, :, None])[:, :, 0]
        return solved

    def _valued(self, judge: Validation, params: Mapping[str, Any]) -> float:
        self.set(**params)
        return judge.mean(self.scores)
