"""iALS: factors of users and items by alternating least squares on implicit counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix

from streams.learning.evaluation.families import Family
from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.half_life_search import HalfLifeSearch, distinct
from streams.learning.evaluation.methods.interactions import interactions
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_choices
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_FACTORS = 64
_ROUNDS = 10
_ALPHA = (1.0, 10.0)
_REGULARISATION = (0.01, 1.0, 30.0)
_FURTHER = 3
_REFIT_SHARE = 0.1

_Choice = tuple[float, float]
"""alpha, regularisation"""


class ImplicitALS:
    """Matrix factorisation of Hu, Koren & Volinsky (ICDM 2008), by `implicit`; 64 factors.

    The confidence of a user's item is 1 + alpha log(1 + count). alpha and the regularisation are chosen on validation for each
    slice family; the search goes on beyond an edge, a few steps. A query's user vector is solved again from its decayed profile
    against the item factors.

    At the test it knows every strictly earlier event of the user, and item factors are those of the training and validation
    part; they are fitted again when the log has grown by a tenth.
    """

    name = "ials"

    def __init__(self, setup: Setup | None = None) -> None:
        self._seed = setup.seed if setup is not None else 0
        self.grid: Sequence[Mapping[str, Any]] = []
        self.tried: Sequence[Mapping[str, Any]] = []
        self._half_life: float | None = None
        self._by: DecayClock = "time"

    def set(self, *, half_life: float | None, by: DecayClock, alpha: float, regularisation: float) -> None:
        """Half-life of the profile that the user vector is solved from, and the factors by what they were fitted with."""
        self._half_life, self._by = half_life, by
        self._alpha, self._regularisation = alpha, regularisation

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose alpha and the regularisation, then fit on all of `rows`."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        search = HalfLifeSearch(Validation(history, rows, validation), half_life_grid(history, rows))

        def value(choice: _Choice) -> dict[Family, float]:
            self._items = {choice: self._factored(rows, *choice)}
            return search.value(self, alpha=choice[0], regularisation=choice[1])

        best, tried = _searched(value)
        chosen = {
            family: {"alpha": alpha, "regularisation": regularisation}
            for family, (alpha, regularisation) in best.items()
        }
        self._choices = [(one["alpha"], one["regularisation"]) for one in distinct(chosen)]
        alphas, regularisations = zip(*tried, strict=True)
        self.grid = search.grid(chosen)
        self.tried = search.tried(alpha=alphas, regularisation=regularisations)
        self.refit()
        self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """Kept for the next fit."""
        self._rows.add(rows)

    def refit(self) -> None:
        """Factor all that was learned."""
        rows = self._rows.taken()
        self._items = {choice: self._factored(rows, *choice) for choice in self._choices}

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 products of factors."""
        if self._rows.due:
            self.refit()
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        factors = self._items[self._alpha, self._regularisation]
        result: F32 = self._solved(own, factors) @ factors.T
        return result

    def _factored(self, rows: I64, alpha: float, regularisation: float) -> F32:
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
        return np.asarray(model.item_factors, np.float32)

    def _solved(self, own: csr_array, factors: F32) -> F32:
        """(Q, F) user factors x = (Y'Y + Y'(C - I)Y + reg I)^-1 Y'C p of profiles (Q, N)."""
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


def _searched(
    value: Callable[[_Choice], Mapping[Family, float]],
) -> tuple[dict[Family, _Choice], list[_Choice]]:
    """The best choice of each family, and all that were tried: a grid, and beyond its edge up to `_FURTHER` more."""
    tried = {choice: value(choice) for choice in product(_ALPHA, _REGULARISATION)}
    for _ in range(_FURTHER):
        best = best_choices(list(tried), tried.__getitem__)
        alphas, regularisations = ({one[axis] for one in tried} for axis in (0, 1))
        beyond = [
            choice
            for alpha, regularisation in best.values()
            for choice in (
                *((one, regularisation) for one in _beyond(alpha, alphas, 10.0)),
                *((alpha, one) for one in _beyond(regularisation, regularisations, 30.0)),
            )
            if choice not in tried
        ]
        if not beyond:
            break
        tried[beyond[0]] = value(beyond[0])
    return best_choices(list(tried), tried.__getitem__), list(tried)


def _beyond(number: float, tried: set[float], factor: float) -> list[float]:
    """One more where a number is the least or greatest of those that were tried."""
    return [number / factor] * (number == min(tried)) + [number * factor] * (number == max(tried))
