"""What the timestamps of a log measure: seconds, days, positions in a sequence, or how fast pages were filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.learning.history import are_positions
from streams.learning.profile.baskets import Baskets, weighted_quantile
from transfer.arrays import F64

ClockKind = Literal["seconds", "days", "positions", "pages"]

DAY_S = 86400.0
UNITS_S = (DAY_S, 3600.0, 60.0, 1.0)
NEARLY_ALL = 0.99
PAGE_TIES = 0.2
"""Share of tied events from which on short gaps may come from pages that are sent as a whole,"""
PAGE_GAP_S = 300.0
"""if successive pages are this near to each other,"""
PAGE_BASKETS = 5
"""and most baskets lie in visits of at least this many."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How to read the log's timestamps."""

    kind: ClockKind
    """*seconds* are as fine as they look. *days* know no order within a day: its events are one basket. *positions* count a
    user's events: half-lives are in events. *pages*: events arrive in small batches a few seconds apart, so that short gaps
    tell how a form was filled in, not when an interest changed."""
    unit_s: float
    """the coarsest of day, hour, minute and second of which nearly all gaps are multiples, 0 below a second"""
    tied_share: float
    """share of a user's successive events that have one timestamp"""
    floor_s: float
    """half-lives below this would measure the clock, not the user"""


def clock_of(baskets: Baskets) -> Clock:
    """Judge a log by its gaps."""
    gaps = baskets.gaps_s
    successive = int(baskets.size.sum()) - int(baskets.first.sum())
    tied = 1.0 - len(gaps) / successive if successive else 0.0
    unit = _unit(gaps)
    if are_positions(baskets.time, gaps):
        return Clock("positions", 1.0, tied, 1.0)
    if unit == DAY_S:
        return Clock("days", unit, tied, unit / 2)
    visits = baskets.visit_starts
    per_visit = np.diff(visits, append=len(baskets)).astype(np.float64)
    within = gaps[gaps <= PAGE_GAP_S]
    usual = weighted_quantile(per_visit, per_visit, 0.5)
    if tied >= PAGE_TIES and 2 * len(within) > len(gaps) and usual >= PAGE_BASKETS:
        lengths = baskets.visit_lengths_s()
        events = baskets.visit_events().astype(np.float64)
        return Clock("pages", unit, tied, max(weighted_quantile(lengths, events, 0.5), PAGE_GAP_S))
    return Clock("seconds", unit, tied, unit / 2)


def _unit(gaps: F64) -> float:
    for unit in UNITS_S:
        off = np.abs(gaps - np.round(gaps / unit) * unit)
        # Days of 23 and 25 hours are days too.
        near = (off <= (3600.0 if unit == DAY_S else 0.0)) & (np.round(gaps / unit) >= 1)
        if len(gaps) and near.mean() >= NEARLY_ALL:
            return unit
    return 0.0
