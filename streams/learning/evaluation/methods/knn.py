"""ItemKNN and UserKNN: neighbours by cosine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.half_life_search import HalfLifeSearch
from streams.learning.evaluation.methods.interactions import (
    Unit,
    binary,
    interactions,
    largest_of_rows,
    unit_sparse_rows,
)
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.evaluation.methods.validation import Validation, best_choices, best_numbers
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_NEIGHBOURS = (5, 20, 100, 400)
_USUAL = 100
_USERS = (20.0, 100.0, 500.0)
_SHRINKAGES = (0.0, 10.0, 100.0)
_REFIT_SHARE = 0.05
_PRODUCTS_AT_A_TIME = 30_000_000


class ItemKNN:
    """Items like the user's own: a decayed profile times the k largest cosines of each item.

    Two items are alike by who had both: the users, or the baskets. The cosine shrinks as n_ij / (sqrt(n_i n_j) + s), so that
    rare pairs count less. Which of both, s and k are chosen on validation for each slice family. `itself` keeps the cosine of
    an item with itself, 1, so that own items are answers too.

    At the test it knows every strictly earlier event of the user, and neighbours are those of the training and validation part;
    they are found again when the log has grown by a twentieth.
    """

    name = "itemknn"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self.tried: Sequence[Mapping[str, Any]] = []
        self._cut: dict[tuple[Unit, float, int, bool], csr_array] = {}
        self._half_life: float | None = None
        self._by: DecayClock = "time"
        self._itself = True

    def set(
        self,
        *,
        half_life: float | None,
        by: DecayClock,
        unit: Unit,
        shrinkage: float,
        k: int,
        itself: bool = True,
    ) -> None:
        """Half-life of the profile, what two items are compared by, and whether an item is its own neighbour."""
        self._half_life, self._by, self._itself = half_life, by, itself
        self._unit, self._shrinkage, self._k = unit, shrinkage, k

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Choose what two items are compared by, then find neighbours in all of `rows`."""
        self._history = history
        self._rows = LearnedRows(rows, _REFIT_SHARE)
        judge, half_lives = Validation(history, rows, validation), half_life_grid(history, rows)
        search = HalfLifeSearch(judge, half_lives)
        units: list[Unit] = ["user", "basket"] if _has_baskets(history) else ["user"]
        self._nearest = {
            (unit, shrinkage): nearest
            for unit in units
            for shrinkage, nearest in zip(_SHRINKAGES, self._find(rows, unit, _SHRINKAGES), strict=True)
        }
        best = best_choices(
            list(self._nearest),
            lambda choice: search.value(self, unit=choice[0], shrinkage=choice[1], k=_USUAL),
        )
        # One after the other: together with the half-lives, which the runner tries, they are too many.
        chosen = {}
        for family, (unit, shrinkage) in best.items():
            half_life = search.best(family, unit=unit, shrinkage=shrinkage, k=_USUAL)
            fitted = [{"unit": unit, "shrinkage": shrinkage, "k": k} for k in _NEIGHBOURS]
            found = judge.each(self, [{**half_life, **one} for one in fitted])[family]
            chosen[family] = fitted[int(np.argmax(found))]
        self._choices = list(dict.fromkeys(best.values()))
        self._nearest, self._cut = {choice: self._nearest[choice] for choice in self._choices}, {}
        self.grid = [
            {**params, "itself": itself}
            for params in search.grid(chosen, k=_USUAL)
            for itself in (True, False)
        ]
        self.tried = search.tried(k=_NEIGHBOURS, shrinkage=_SHRINKAGES)
        self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """Kept for the next search."""
        self._rows.add(rows)

    def refit(self) -> None:
        """Find neighbours in all that was learned."""
        rows = self._rows.taken()
        self._nearest = {
            (unit, shrinkage): self._find(rows, unit, [shrinkage])[0] for unit, shrinkage in self._choices
        }
        self._cut = {}

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 sums of cosines."""
        if self._rows.due:
            self.refit()
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        result: F32 = (own @ self._neighbours()).toarray()
        return result

    def _find(self, rows: I64, unit: Unit, shrinkages: Sequence[float]) -> list[csr_array]:
        return nearest_items(binary(interactions(self._history, rows, unit)), max(_NEIGHBOURS), shrinkages)

    def _neighbours(self) -> csr_array:
        key = (self._unit, self._shrinkage, self._k, self._itself)
        if key not in self._cut:
            cut = largest_of_rows(self._nearest[self._unit, self._shrinkage], self._k)
            if self._itself:
                size = cut.shape[0]
                identity = csr_array(
                    (np.ones(size, np.float32), np.arange(size), np.arange(size + 1)), shape=cut.shape
                )
                cut = cut + identity
            self._cut[key] = cut
        return self._cut[key]


class UserKNN:
    """What users like this one had: the k users with the largest cosine to the decayed profile, weighted by it.

    k is chosen on validation for each slice family. `itself` lets the user be a neighbour too, as of the last time that the
    matrix of users was renewed.

    At the test it knows every strictly earlier event of the user, and others' as of the last hundredth of growth of the log.
    """

    name = "userknn"

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self.tried: Sequence[Mapping[str, Any]] = []
        self._half_life: float | None = None
        self._by: DecayClock = "time"
        self._k, self._itself = _USUAL, True

    def set(self, *, half_life: float | None, by: DecayClock, k: int, itself: bool = True) -> None:
        """Half-life of the profile, how many neighbours, and whether the user is one of them."""
        self._half_life, self._by, self._k, self._itself = half_life, by, k, itself

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Gather the items of each user, and choose k."""
        self._history = history
        self._rows = LearnedRows(rows, 0.01)
        self._gather(rows)
        search = HalfLifeSearch(Validation(history, rows, validation), half_life_grid(history, rows))
        best, tried = best_numbers(_USERS, lambda k: search.value(self, k=int(k)), _USERS[0] / 5, 2500.0)
        chosen = {family: {"k": int(k)} for family, k in best.items()}
        self.grid = [
            {**params, "itself": itself} for params in search.grid(chosen) for itself in (True, False)
        ]
        self.tried = search.tried(k=tried)
        self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """Kept for the next gathering."""
        self._rows.add(rows)

    def refit(self) -> None:
        """Gather all that was learned."""
        self._gather(self._rows.taken())

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 sums of neighbours' items."""
        if self._rows.due:
            self.refit()
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        alike = (unit_sparse_rows(own) @ self._users.T).tocsr()
        alike.sort_indices()
        if not self._itself:
            owner = np.repeat(queries.user, np.diff(alike.indptr))
            alike.data[alike.indices == owner] = 0.0
            alike.eliminate_zeros()
        result: F32 = (largest_of_rows(alike, self._k) @ self._users).toarray()
        return result

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
