"""Rows of many users in one array (CSR): offsets say where each user's rows begin.

User u owns rows `offsets[u]:offsets[u + 1]`. Everything here works on all users at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from transfer.arrays import F64, I64, Bool
from transfer.codes import NONE

Keys = Sequence[npt.NDArray[Any]]
"""Columns to sort by, the most significant first."""


def offsets_of(sizes: npt.NDArray[Any]) -> I64:
    """(U + 1,) int64 offsets of (U,) sizes.

    >>> offsets_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def sizes_of(offsets: I64) -> I64:
    """(U,) how many rows each user has; `np.diff` says the same and costs five times as much for few users.

    >>> sizes_of(np.array([0, 2, 2, 5])).tolist()
    [2, 0, 3]
    """
    sizes: I64 = offsets[1:] - offsets[:-1]
    return sizes


def owners(offsets: I64) -> I64:
    """The user of every row.

    >>> owners(np.array([0, 2, 2, 5])).tolist()
    [0, 0, 2, 2, 2]
    """
    return np.repeat(np.arange(len(offsets) - 1), sizes_of(offsets))


def rows_of(offsets: I64, users: I64) -> tuple[I64, I64]:
    """Indices of the rows of `users`, in that order, and their offsets.

    >>> index, offsets = rows_of(np.array([0, 2, 2, 5]), np.array([2, 0]))
    >>> index.tolist(), offsets.tolist()
    ([2, 3, 4, 0, 1], [0, 3, 5])
    """
    sizes = sizes_of(offsets)[users]
    chosen = offsets_of(sizes)
    return np.arange(chosen[-1]) + np.repeat(offsets[users] - chosen[:-1], sizes), chosen


def kept_offsets(offsets: I64, kept: Bool) -> I64:
    """Offsets after only the rows where `kept` is true remain.

    >>> kept_offsets(np.array([0, 2, 3]), np.array([True, False, True])).tolist()
    [0, 1, 2]
    """
    return offsets_of(kept)[offsets]


def segment_positions(offsets: I64) -> I64:
    """Position of every row within its user's rows.

    >>> segment_positions(np.array([0, 2, 2, 5])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes_of(offsets))


def last_in_segment(offsets: I64, count: int) -> Bool:
    """Whether each row is among the last `count` of its user.

    >>> last_in_segment(np.array([0, 3, 4]), 2).tolist()
    [False, True, True, True]
    """
    return np.repeat(offsets[1:], sizes_of(offsets)) - np.arange(offsets[-1]) <= count


def segment_sum(values: npt.NDArray[Any], offsets: I64) -> F64:
    """Sum of the rows of each user, (U, ...) float64; 0 for users without rows.

    >>> segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3])).tolist()
    [3.0, 0.0, 4.0]
    """
    users, shape = len(offsets) - 1, values.shape[1:]
    if not shape:
        return np.bincount(owners(offsets), values, minlength=users).astype(np.float64, copy=False)
    # The product with a matrix of ones: on wide rows five to fifteen times as fast as np.add.reduceat.
    ones = csr_array((np.ones(len(values)), np.arange(len(values)), offsets), shape=(users, len(values)))
    flat = values.reshape(len(values), prod(shape)).astype(np.float64, copy=False)
    total: F64 = (ones @ flat).reshape(users, *shape)
    return total


def segment_shares(values: F64, offsets: I64) -> F64:
    """Each row's share of its user's sum, column by column; 0 where the sum is 0.

    >>> segment_shares(np.array([1.0, 3.0, 0.0]), np.array([0, 2, 3])).tolist()
    [0.25, 0.75, 0.0]
    """
    total = np.repeat(segment_sum(values, offsets), sizes_of(offsets), axis=0)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def segment_max(values: F64, offsets: I64, empty: float) -> F64:
    """Largest of the rows of each user, (U,) float64; `empty` for users without rows."""
    largest = np.full(len(offsets) - 1, empty)
    filled = sizes_of(offsets) > 0
    if filled.any():
        largest[filled] = np.maximum.reduceat(values, offsets[:-1][filled])
    return largest


def rows_at(keys: I64, wanted: I64, bound: int) -> I64:
    """Position of each wanted key among ascending ones, -1 for none; all keys lie in 0..bound-1.

    >>> rows_at(np.array([2, 5]), np.array([5, 3, 2]), 6).tolist()
    [1, -1, 0]
    """
    if bound <= 8 * (len(keys) + len(wanted)):
        # A table takes a tenth of the time, where it is not mostly empty.
        position = np.full(bound, NONE, np.int64)
        position[keys] = np.arange(len(keys))
        found: I64 = position[wanted]
        return found
    return positions_in(keys, wanted)


def positions_in(keys: npt.NDArray[Any], wanted: npt.NDArray[Any], order: I64 | None = None) -> I64:
    """Position of each wanted key among distinct ones, -1 for none.

    order: in which the keys ascend; without one they ascend as they are.

    >>> positions_in(np.array([2, 5]), np.array([5, 3, 2])).tolist()
    [1, -1, 0]
    >>> positions_in(np.array([5, 2]), np.array([5, 3, 2]), np.array([1, 0])).tolist()
    [0, -1, 1]
    """
    if not len(keys):
        return np.full(len(wanted), NONE, np.int64)
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    if order is not None:
        place = order[place]
    return np.where(keys[place] == wanted, place, NONE)


def ascending_order(keys: npt.NDArray[Any]) -> I64 | None:
    """The order in which distinct keys ascend, as `positions_in` takes it; None where they ascend as they are, which is seen a
    hundred times sooner than they are sorted.

    >>> ascending_order(np.array([2, 5])), ascending_order(np.array([5, 2])).tolist()
    (None, [1, 0])
    """
    return None if bool((keys[1:] > keys[:-1]).all()) else np.argsort(keys)


def group_starts(keys: Keys) -> I64:
    """Index of the first row of each run of equal keys, in sorted columns.

    >>> group_starts([np.array([0, 0, 1, 1]), np.array([5, 5, 5, 6])]).tolist()
    [0, 2, 3]
    """
    changed = np.zeros(len(keys[0]), np.bool_)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)


def first_of_each(keys: Keys) -> Bool:
    """Whether no earlier row has the same keys; rows in any order.

    >>> first_of_each([np.array([7, 5, 7]), np.array([1, 1, 1])]).tolist()
    [True, True, False]
    """
    order = np.lexsort(tuple(reversed(keys)))  # stable
    first = np.zeros(len(order), np.bool_)
    first[order[group_starts([key[order] for key in keys])]] = True
    return first


@dataclass(frozen=True, slots=True)
class Union:
    """Where the rows of two sides lie in their sorted union; rows with equal keys share a place."""

    place_a: I64
    place_b: I64
    offsets: I64

    @property
    def size(self) -> int:
        """Rows of the union."""
        return int(self.offsets[-1])


def union(offsets_a: I64, keys_a: Keys, offsets_b: I64, keys_b: Keys) -> Union:
    """Join two sides whose rows ascend by key, without repeats, within each user; no sorting.

    >>> both = union(np.array([0, 2]), [np.array([3, 7])], np.array([0, 2]), [np.array([5, 7])])
    >>> both.place_a.tolist(), both.place_b.tolist(), both.offsets.tolist()
    ([0, 2], [1, 2], [0, 3])
    """
    rows_a = int(offsets_a[-1])
    user_b = owners(offsets_b)
    lower = _lower_bound(keys_a, offsets_a[user_b], offsets_a[user_b + 1], keys_b)
    fresh = lower == offsets_a[user_b + 1]
    inside = np.flatnonzero(~fresh)
    for key_a, key_b in zip(keys_a, keys_b, strict=True):
        fresh[inside] |= key_a[lower[inside]] != key_b[inside]
    # A fresh row goes before the row of `a` at its lower bound, and moves that and all later ones by one.
    before = np.cumsum(np.bincount(lower[fresh], minlength=rows_a + 1))[:rows_a]
    place_a = np.arange(rows_a) + before
    place_b = np.empty(len(user_b), np.int64)
    place_b[fresh] = lower[fresh] + np.arange(np.count_nonzero(fresh))
    place_b[~fresh] = place_a[lower[~fresh]]
    added = np.bincount(user_b[fresh], minlength=len(offsets_a) - 1)
    return Union(place_a, place_b, offsets_a + offsets_of(added))


def held(offsets: I64, keys: Keys, user: I64, wanted: Keys) -> Bool:
    """Whether each user has a row with the wanted key; each user's rows ascend by key.

    >>> held(np.array([0, 2, 3]), [np.array([3, 7, 5])], np.array([0, 1, 1]), [np.array([7, 7, 5])]).tolist()
    [True, False, True]
    """
    place = _lower_bound(keys, offsets[user], offsets[user + 1], wanted)
    found: Bool = place < offsets[user + 1]
    inside = np.flatnonzero(found)
    for key, want in zip(keys, wanted, strict=True):
        found[inside] &= key[place[inside]] == want[inside]
    return found


def _lower_bound(keys: Keys, low: I64, high: I64, wanted: Keys) -> I64:
    """First row in low:high whose key is not less than the wanted one (or high), for each wanted key."""
    low, high = low.copy(), high.copy()
    while True:
        open_ = np.flatnonzero(low < high)
        if not len(open_):
            return low
        middle = (low[open_] + high[open_]) // 2
        less = np.zeros(len(open_), np.bool_)
        equal = np.ones(len(open_), np.bool_)
        for key, want in zip(keys, wanted, strict=True):
            there, here = key[middle], want[open_]
            less |= equal & (there < here)
            equal &= there == here
        low[open_] = np.where(less, middle + 1, low[open_])
        high[open_] = np.where(less, high[open_], middle)
