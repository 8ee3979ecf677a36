"""PairCounts: how often one item led to another, kept in a matrix that grows cheaply."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from transfer.arrays import F64

_RECENT_SHARE = 0.1


class PairCounts:
    """(N, N) counts. What was added last lies in a small matrix of its own, until it is a tenth of the large one.

    >>> counts = PairCounts(3)
    >>> counts.add(np.array([0, 0, 1]), np.array([1, 1, 2]))
    >>> counts.add(np.array([0]), np.array([2]))
    >>> counts.from_totals.tolist(), counts.times(csr_array(np.array([[1.0, 0.0, 0.0]]))).toarray().tolist()
    ([3.0, 1.0, 0.0], [[0.0, 2.0, 1.0]])
    """

    def __init__(self, items: int) -> None:
        self._old = csr_array((items, items), dtype=np.float32)
        self._recent = csr_array((items, items), dtype=np.float32)
        self.from_totals: F64 = np.zeros(items)
        """(N,) pairs counted from each item"""

    def add(self, from_: np.ndarray, to: np.ndarray) -> None:
        """Count pairs (P,) of item codes once each."""
        if not len(from_):
            return
        items = len(self.from_totals)
        ones = np.ones(len(from_), np.float32)
        self._recent = self._recent + coo_array((ones, (from_, to)), shape=(items, items)).tocsr()
        self.from_totals += np.bincount(from_, minlength=items)
        if self._recent.nnz > _RECENT_SHARE * self._old.nnz:
            self._old = self._old + self._recent
            self._recent = csr_array((items, items), dtype=np.float32)

    def times(self, weights: csr_array) -> csr_array:
        """`weights @ counts`, (Q, N) CSR, of weights (Q, N) on the items that lead."""
        if not self._recent.nnz:
            return weights @ self._old
        return weights @ self._old + weights @ self._recent
