"""Baskets and visits of a log: the units in which people act."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from transfer.arrays import F64, I32, I64, Bool

VISIT_GAP_S = 1800.0
"""A pause of more than half an hour begins a new visit, as web analytics has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Baskets:
    """B baskets in order of (user, time): the events of one user at one time."""

    start: I64
    """(B,) row of the first event in the history"""
    size: I64
    """(B,) how many events"""
    user: I32
    time: F64
    first: Bool
    """(B,) the user's first basket"""
    visit: Bool
    """(B,) begins a visit: the user's first basket, or one after a pause of more than `VISIT_GAP_S`"""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def end(self) -> I64:
        """(B,) row after the last event."""
        return self.start + self.size

    @property
    def gaps_s(self) -> F64:
        """(B - U,) time from each user's basket to the next one."""
        return np.diff(self.time)[~self.first[1:]]

    @property
    def visit_starts(self) -> I64:
        """(V,) the basket that begins each visit."""
        return np.flatnonzero(self.visit)

    def visit_events(self) -> I64:
        """(V,) events of each visit."""
        events: I64 = np.add.reduceat(self.size, self.visit_starts)
        return events

    def visit_lengths_s(self) -> F64:
        """(V,) time from the first to the last basket of each visit."""
        starts = self.visit_starts
        last = np.append(starts[1:], len(self)) - 1
        lengths: F64 = self.time[last] - self.time[starts]
        return lengths


def baskets_of(history: History, visit_gap_s: float = VISIT_GAP_S) -> Baskets:
    """All baskets of a history."""
    start = history.basket_starts
    user, time = history.user[start], history.time[start]
    first = np.append(True, user[1:] != user[:-1])
    pause = np.append(False, np.diff(time) > visit_gap_s)
    return Baskets(start, np.diff(start, append=len(history)), user, time, first, first | pause)


def weighted_quantile(values: F64, weights: F64, q: float) -> float:
    """The least of `values` (N,) up to which lies a share `q` of the weight (N,); 0 without values.

    >>> weighted_quantile(np.array([5.0, 1.0, 3.0]), np.array([1.0, 1.0, 8.0]), 0.5)
    3.0
    """
    if not len(values):
        return 0.0
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    place = int(np.searchsorted(total, q * total[-1]))
    return float(values[order[min(place, len(order) - 1)]])
