"""Markov: what came in the next basket after the items of the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from streams.learning.evaluation.methods.base import Setup, last_baskets, profiles
from streams.learning.evaluation.methods.half_life_search import distinct
from streams.learning.evaluation.methods.interactions import row_shares
from streams.learning.evaluation.methods.pair_counts import PairCounts
from streams.learning.evaluation.methods.validation import Validation
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.rows import offsets_of

_PAIRS_AT_A_TIME = 4_000_000
_HALF_LIVES = (None, 1.0, 3.0, 10.0)
_BACKOFFS = (0.1, 1.0, 10.0, 100.0, 1000.0)
_USUAL = 10.0


class Markov:
    """First-order transitions from basket to basket, with back-off to popularity.

    After item i the next basket holds j with the share (C_ij + b pop_j) / (C_i + b): C_ij counts pairs of an item and one
    of the user's next basket, C_i all pairs from i, and pop_j is j's share of all events. The b pairs of back-off are a
    Dirichlet prior on each row. The answer is the mean of the rows of the last basket's items; or, where `half_life` says
    so, of all earlier items, weighted 2 ** (-events since / half_life). It sums to 1 over items.

    Both are chosen on validation for each slice family. At the test it knows every strictly earlier event of the user, and
    counts are of all that happened before the block of queries.
    """

    name = "markov"
    probabilities = True

    def __init__(self, setup: Setup | None = None) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        # Zero stands for the last basket alone.
        self.tried = [
            *({"half_life": half_life or 0.0} for half_life in _HALF_LIVES),
            *({"backoff": backoff} for backoff in _BACKOFFS),
        ]
        self._half_life: float | None = None
        self._backoff = _USUAL

    def set(self, *, half_life: float | None, backoff: float) -> None:
        """`half_life`: weights of earlier items, in the user's events; None: those of the last basket alone."""
        self._half_life, self._backoff = half_life, backoff

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Count all of `rows`, and choose half-lives: with each back-off, which the runner tries, they are too many."""
        self._history = history
        self._counts = PairCounts(len(history.items))
        self._popularity = np.zeros(len(history.items))
        self.learn(rows)
        usual = [{"half_life": half_life, "backoff": _USUAL} for half_life in _HALF_LIVES]
        found = Validation(history, rows, validation).each(self, usual)
        self.grid = [
            {**half_life, "backoff": backoff}
            for half_life in distinct({family: usual[int(np.argmax(of))] for family, of in found.items()})
            for backoff in _BACKOFFS
        ]

    def learn(self, rows: I64) -> None:
        """Count these too. A basket's events must come together."""
        items = self._history.item[rows]
        self._popularity += np.bincount(items[items != NONE], minlength=len(self._popularity))
        for from_, to in basket_pairs(self._history, rows):
            self._counts.add(from_, to)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 shares of the next basket."""
        if self._half_life is None:
            last = last_baskets(self._history, queries)
        else:
            last = profiles(self._history, queries, self._half_life, by="count")
            last.data[last.data < 1e-3] = 0.0
            last.eliminate_zeros()
        weights = row_shares(last)
        known = 1.0 / (self._counts.from_totals + self._backoff)
        found = self._counts.times(_scaled_columns(weights, known))
        left = 1.0 - np.asarray(found.sum(axis=1)).reshape(-1)
        popularity = self._popularity / max(self._popularity.sum(), 1.0)
        result: F32 = found.toarray()
        result += np.outer(left, popularity).astype(np.float32)
        return result


def basket_pairs(history: History, rows: I64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (item of a basket, item of the same user's next basket) for the baskets of the events `rows`.

    In parts of a few million pairs: item codes (P,) from and to. A user's first basket has nothing before it.
    """
    starts = history.basket_starts
    basket = np.unique(np.searchsorted(starts, rows, side="right") - 1)
    basket = basket[starts[basket] > history.offsets[history.user[starts[basket]]]]
    before, begin = starts[basket - 1], starts[basket]
    wide: I64 = (np.append(starts, len(history))[basket + 1] - begin).astype(np.int64)
    sizes: I64 = (begin - before) * wide
    last = np.cumsum(sizes)
    cuts = np.arange(_PAIRS_AT_A_TIME, last[-1] if len(last) else 0, _PAIRS_AT_A_TIME)
    for part in np.split(np.arange(len(basket)), np.searchsorted(last, cuts)):
        owner = np.repeat(part, sizes[part])
        place = np.arange(len(owner)) - np.repeat(offsets_of(sizes[part])[:-1], sizes[part])
        from_ = history.item[before[owner] + place // wide[owner]]
        to = history.item[begin[owner] + place % wide[owner]]
        both_items = (from_ != NONE) & (to != NONE)
        yield from_[both_items], to[both_items]


def _scaled_columns(matrix: csr_array, factor: np.ndarray) -> csr_array:
    data = matrix.data * factor[matrix.indices].astype(np.float32)
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
