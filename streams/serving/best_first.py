"""The best of many scores, as far down as they are looked at: a list of ten does not sort a catalogue."""

from __future__ import annotations

import numpy as np

from transfer.arrays import F32, I64, U64, Bool
from transfer.rows import ascending_order, positions_in

LEAST = 64
"""Items that are put in order at first."""


class BestFirst:
    """Items (C,) by score, greatest first; of equal scores the lower key first, so that the order is stable.

    >>> scores, keys = np.array([0.1, 0.5, 0.5], np.float32), np.array([7, 9, 8], np.uint64)
    >>> BestFirst(scores, keys, np.ones(3, np.bool_)).columns(0, 2).tolist()
    [2, 1]
    """

    def __init__(self, scores: F32, keys: U64, allowed: Bool) -> None:
        """allowed (C,): the items that take part."""
        self._scores = scores
        self._keys = keys
        self._allowed = allowed
        self._taking_part = np.flatnonzero(allowed)
        self._order = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._taking_part)

    def among(self, columns: I64) -> I64:
        """Those of the columns that take part."""
        return columns[self._allowed[columns]]

    def columns(self, begin: int, end: int) -> I64:
        """Columns of the items at these places of the order, of as many as there are."""
        end = min(end, len(self))
        if end > len(self._order):
            self._order = self._sorted(min(len(self), max(end, 2 * len(self._order), LEAST)))
        return self._order[begin:end]

    def _sorted(self, count: int) -> I64:
        """The best `count`, and all others of a score that is among theirs."""
        columns, scores = self._taking_part, self._scores[self._taking_part]
        if count < len(columns):
            least = np.partition(scores, len(columns) - count)[len(columns) - count]
            columns = columns[scores >= least]
        order: I64 = columns[np.lexsort((self._keys[columns], -self._scores[columns]))]
        return order


def columns_of(keys: U64, wanted: U64) -> I64:
    """Columns of those wanted keys that are among the distinct keys (C,); found at once where these ascend, as a store's do.

    >>> columns_of(np.array([5, 8, 9], np.uint64), np.array([9, 7], np.uint64)).tolist()
    [2]
    """
    place = positions_in(keys, wanted, ascending_order(keys))
    return place[place >= 0]
