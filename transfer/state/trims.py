"""When a capped list is trimmed: right after the user's event that made it too long.

That moment follows from the user's events in their order of arrival, never from where a batch ends: a batch that crosses it is
applied in parts, so that a log gives the same states in any batches. The list may grow by half its cap before it is trimmed to
the cap. So what goes is the faintest third, far from the items and scenarios that anybody asks for, and few batches are parted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I32, I64, Bool
from transfer.rows import first_of_each, held, offsets_of, sizes_of

TIE_BITS = 12


def standing(weight: F64) -> F64:
    """Weights (N,) to 12 bits: sums that were added up in another order differ in their last ones, and equal ones are equal.

    >>> standing(np.array([1.0, 1.0 + 1e-9, 1.1])).round(3).tolist()
    [1.0, 1.0, 1.1]
    """
    mantissa, exponent = np.frexp(weight)
    rounded: F64 = np.ldexp(np.rint(np.ldexp(mantissa, TIE_BITS)), exponent - TIE_BITS)
    return rounded


def first_too_many(
    offsets: I64, keys: npt.NDArray[Any], user: I64, wanted: npt.NDArray[Any], brings: Bool, limit: int
) -> I64:
    """(U,) row of the event by which each user comes to hold more than `limit` keys; B for none.

    Args:
        offsets, keys: (U + 1,) and the keys that each user holds, ascending.
        user, wanted, brings: (B,) events in order of arrival; the key that each brings, if it brings one.

    >>> user, wanted = np.zeros(3, int), np.array([5, 6, 7])
    >>> first_too_many(np.array([0, 1]), np.array([5]), user, wanted, np.ones(3, bool), 2).tolist()
    [2]
    """
    users = len(offsets) - 1
    some = np.flatnonzero(brings)
    fresh = np.zeros(len(user), np.int64)
    fresh[some] = first_of_each([user[some], wanted[some]]) & ~held(
        offsets, [keys], user[some], [wanted[some]]
    )
    order = np.argsort(user, kind="stable")
    bounds = offsets_of(np.bincount(user, minlength=users))
    grown = offsets_of(fresh[order])
    holds = sizes_of(offsets)[user[order]] + grown[1:] - grown[bounds[:-1]][user[order]]
    found = np.full(users, len(user), np.int64)
    over = order[holds > limit]
    np.minimum.at(found, user[over], over)
    return found


@dataclass(slots=True, eq=False)
class Arrivals:
    """Events of U users that are not applied yet, in order of arrival."""

    rows: I64
    """(B,) rows of a batch, grouped by user."""
    start: I64
    """(U,) place in `rows` of each user's next event."""
    end: I64
    """(U,) past each user's last one."""

    @classmethod
    def of(cls, user: I64 | I32, users: int) -> "Arrivals":
        """All events of a batch, user (B,)."""
        bounds = offsets_of(np.bincount(user, minlength=users))
        return cls(np.argsort(user, kind="stable"), bounds[:-1].copy(), bounds[1:])

    def window(self, most: int) -> I64:
        """Rows of the next events of all users, at most this many of each, in order of arrival."""
        sizes = np.minimum(self.end - self.start, most)
        bounds = offsets_of(sizes)
        chosen: I64 = np.arange(bounds[-1]) + np.repeat(self.start - bounds[:-1], sizes)
        rows: I64 = np.sort(self.rows[chosen])
        return rows

    def apply(self, user: I64 | I32) -> None:
        """Leave out the next events: one for each of the users (N,) named."""
        self.start = self.start + np.bincount(user, minlength=len(self.start))

    def left(self) -> Bool:
        """(U,) whether a user has any."""
        some: Bool = self.start < self.end
        return some
