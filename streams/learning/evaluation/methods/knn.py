"""ItemKNN and UserKNN: neighbours by cosine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.interactions import (
    Unit,
    binary,
    interactions,
    largest_of_rows,
    unit_sparse_rows,
)
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_choice
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_NEIGHBOURS = (20, 100, 400)
_SHRINKAGES = (0.0, 10.0)
_REFIT_SHARE = 0.05
_PRODUCTS_AT_A_TIME = 30_000_000


class ItemKNN:
    """Items like the user's own: a decayed profile times the k largest cosines of each item.

    Two items are alike by who had both: the users, or the baskets. The cosine shrinks as n_ij / (sqrt(n_i n_j) + s), so that
    rare pairs count less. Which of both, s and k are chosen on validation. `itself` keeps the cosine of an item with
    itself, 1, so that own items are answers too. Neighbours are found again when the log has grown by a twentieth.
    """

    name = "itemknn"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self._unit: Unit = "user"
        self._shrinkage = 0.0
        self._cut: dict[tuple[int, bool], csr_array] = {}
        self._k = _NEIGHBOURS[0]
        self.set(half_life=None, by="time", itself=True)

    def set(self, *, half_life: float | None, by: DecayClock, itself: bool) -> None:
        """Half-life of the profile, and whether an item is its own neighbour."""
        self._half_life, self._by, self._itself = half_life, by, itself

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose what two items are compared by, then find neighbours in all of `rows`."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        half_lives = half_life_grid(history, rows)
        units: list[Unit] = ["user", "basket"] if _has_baskets(history) else ["user"]
        judge = Validation(history, rows, validation)

        found = {unit: self._find(rows, unit, _SHRINKAGES) for unit in units}

        def value(choice: tuple[Unit, int]) -> float:
            self._nearest, self._cut = found[choice[0]][choice[1]], {}
            return max(self._valued(judge, params) for params in half_lives[::3])

        choice = best_choice([(unit, number) for unit in units for number in range(len(_SHRINKAGES))], value)
        self._unit, self._shrinkage = choice[0], _SHRINKAGES[choice[1]]
        self._nearest, self._cut = found[self._unit][choice[1]], {}
        # One after the other: together with the half-lives, which the runner tries, they are too many.
        half_life = best_choice(half_lives, lambda params: self._valued(judge, params))
        self._k = best_choice(_NEIGHBOURS, lambda k: self._valued(judge, half_life, k))
        self.grid = [{**params, "itself": itself} for params in half_lives for itself in (True, False)]

    def learn(self, rows: I64) -> None:
        """Kept for the next search."""
        self._rows.add(rows)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 sums of cosines."""
        if self._rows.due:
            self._nearest = self._find(self._rows.taken(), self._unit, [self._shrinkage])[0]
            self._cut = {}
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        result: F32 = (own @ self._neighbours()).toarray()
        return result

    def _find(self, rows: I64, unit: Unit, shrinkages: Sequence[float]) -> list[csr_array]:
        return nearest_items(binary(interactions(self._history, rows, unit)), max(_NEIGHBOURS), shrinkages)

    def _neighbours(self) -> csr_array:
        key = (self._k, self._itself)
        if key not in self._cut:
            cut = largest_of_rows(self._nearest, self._k)
            if self._itself:
                size = cut.shape[0]
                identity = csr_array(
                    (np.ones(size, np.float32), np.arange(size), np.arange(size + 1)), shape=cut.shape
                )
                cut = cut + identity
            self._cut[key] = cut
        return self._cut[key]

    def _valued(self, judge: Validation, params: Mapping[str, Any], k: int = 100) -> float:
        self._k = k
        self.set(**params, itself=True)
        return judge.mean(self.scores)


class UserKNN:
    """What users like this one had: the k users with the largest cosine to the decayed profile, weighted by it.

    `itself` lets the user be a neighbour too, as of the last time that the matrix of users was renewed.
    """

    name = "userknn"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self._k = 100
        self.set(half_life=None, by="time", itself=True)

    def set(self, *, half_life: float | None, by: DecayClock, itself: bool) -> None:
        """Half-life of the profile, and whether the user is a neighbour."""
        self._half_life, self._by, self._itself = half_life, by, itself

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Gather the items of each user, and choose k."""
        self._history = history
        self._rows = LearnedRows(rows, 0.01)
        self._gather(rows)
        half_lives = half_life_grid(history, rows)
        judge = Validation(history, rows, validation)

        def value(k: int) -> float:
            self._k = k
            return max(self._valued(judge, params) for params in half_lives[::3])

        self._k = best_choice((20, 100, 500), value)
        self.grid = [{**params, "itself": itself} for params in half_lives for itself in (True, False)]

    def learn(self, rows: I64) -> None:
        """Kept for the next gathering."""
        self._rows.add(rows)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 sums of neighbours' items."""
        if self._rows.due:
            self._gather(self._rows.taken())
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        alike = (unit_sparse_rows(own) @ self._users.T).tocsr()
        alike.sort_indices()
        if not self._itself:
            owner = np.repeat(queries.user, np.diff(alike.indptr))
            alike.data[alike.indices == owner] = 0.0
            alike.eliminate_zeros()
        result: F32 = (largest_of_rows(alike, self._k) @ self._users).toarray()
        return result

    def _valued(self, judge: Validation, params: Mapping[str, Any]) -> float:
        self.set(**params, itself=True)
        return judge.mean(self.scores)

    def _gather(self, rows: I64) -> None:
        """Unit rows of 1 + log(count): a hundred purchases of milk are not a hundred times one."""
        counts = interactions(self._history, rows)
        counts.data = np.log1p(counts.data)
        self._users = unit_sparse_rows(counts)


def nearest_items(matrix: csr_array, count: int, shrinkages: Sequence[float]) -> list[csr_array]:
    """(N, N) CSR for each shrinkage: the `count` others of each item with the largest n_ij / (sqrt(n_i n_j) + shrinkage).

    `matrix` (R, N) is 1 where a user or basket had an item; n_ij is in how many rows both are, n_i in how many i is.

    >>> matrix = csr_array(np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    >>> [found.toarray().tolist() for found in nearest_items(matrix, 1, [0.0, 2.0])]
    [[[0.0, 0.5], [0.5, 0.0]], [[0.0, 0.25], [0.25, 0.0]]]
    """
    matrix = matrix.astype(np.float32)
    columns = matrix.T.tocsr()
    root = np.sqrt(np.diff(columns.indptr).astype(np.float32))
    parts: list[list[csr_array]] = [[] for _ in shrinkages]
    for block in _blocks(columns, matrix):
        both = (columns[block] @ matrix).tocsr()
        row = np.repeat(block, np.diff(both.indptr))
        both.data[row == both.indices] = 0.0
        both.eliminate_zeros()
        both.sort_indices()
        together = both.data
        norm = np.repeat(root[block], np.diff(both.indptr)) * root[both.indices]
        for found, shrinkage in zip(parts, shrinkages, strict=True):
            both.data = together / (norm + np.float32(shrinkage))
            found.append(largest_of_rows(both, count))
    return [csr_array(vstack(found, format="csr")) for found in parts]


def _blocks(columns: csr_array, matrix: csr_array) -> Iterator[I64]:
    """Runs of items whose products take a bounded number of steps."""
    work = columns @ np.diff(matrix.indptr).astype(np.float64)
    edges = np.unique(np.floor(np.cumsum(work) / _PRODUCTS_AT_A_TIME), return_index=True)[1][1:]
    yield from np.split(np.arange(columns.shape[0]), edges)


def _has_baskets(history: History) -> bool:
    return len(history) > 1.5 * len(history.basket_starts)
