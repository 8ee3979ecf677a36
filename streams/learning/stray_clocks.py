"""Events whose clocks are ahead of the log's end, or far before its beginning: they say nothing of how long interests last.

Against the present such events are rejected (`daemon.max_future_s`). In a log of the past they are not, and an event a year
ahead makes a history of two months one of fourteen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, Bool

LEAST_EVENTS = 500
WINDOWS = 50
"""of the time that holds the middle eight tenths of the events"""
SPARSE = 0.05
"""A window with less than this share of what a usual event's window holds is no part of the log's own time, at its ends."""
MOST = 0.05
"""A larger share of the events in such windows at the ends is of a log that is thin there."""
EDGE = 0.001
"""Share of the events at either end that a span need not hold; one event at least."""


@dataclass(frozen=True, slots=True)
class StrayClocks:
    """How many events lie after the log's end, and how many far before its beginning."""

    ahead: int = 0
    behind: int = 0

    def __str__(self) -> str:
        parts = [
            f"{count:,} {where}"
            for count, where in (
                (self.ahead, "after the log's end"),
                (self.behind, "far before its beginning"),
            )
            if count
        ]
        return f"{' and '.join(parts)} left out: clocks that are wrong" if parts else ""


def stray_times(time: F64) -> tuple[Bool, Bool]:
    """(E,) whether each lies after the time of nearly all, and whether it lies before it by more than that time is long.

    >>> time = np.append(np.arange(1000.0), [5000.0, -5000.0])
    >>> [np.flatnonzero(part).tolist() for part in stray_times(time)]
    [[1000], [1001]]
    """
    none = np.zeros(len(time), np.bool_)
    if len(time) < LEAST_EVENTS:
        return none, none
    low, high = np.quantile(time, (0.1, 0.9))
    if high <= low:
        return none, none
    window = np.floor((time - low) / ((high - low) / WINDOWS)).astype(np.int64)
    places, own, counts = np.unique(window, return_inverse=True, return_counts=True)
    is_full = counts > max(1.0, SPARSE * float(np.median(counts[own])))
    if not is_full.any():
        return none, none
    full = places[is_full]
    ahead: Bool = window > full[-1]
    begin = float(time[window >= full[0]].min())
    behind: Bool = time < begin - (high - low)
    thin = ~is_full[own] & ((time > high) | behind)
    if thin.sum() > MOST * len(time):
        return none, none
    return ahead, behind


def own_span(time: F64) -> tuple[float, float]:
    """From when to when nearly all events of a log are: without stray clocks, and without `EDGE` of the rest at either end.

    >>> own_span(np.append(np.arange(100.0), [5000.0, -5000.0]))
    (0.0, 99.0)
    """
    ahead, behind = stray_times(time)
    own = time[~(ahead | behind)]
    left_out = min(math.ceil(EDGE * len(own)), (len(own) - 1) // 2)
    low, high = np.partition(own, [left_out, len(own) - 1 - left_out])[[left_out, len(own) - 1 - left_out]]
    return float(low), float(high)
