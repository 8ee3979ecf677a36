"""The counts as arrays: how much of what happens goes to each item, and which item follows which."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F32, F64, I32, I64, U64
from transfer.counts.config import CountsConfig

NEXT, WINDOW = 0, 1
"""Columns of the pair counts: `to` came in the basket right after `from`; within the window after it."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemCounts:
    """Decayed counts of N items: R counts by scenario, M transitions; S scenarios, H half-lives.

    Counts of a scenario and an item have 2 H columns: all its events at each half-life, then its debuts, those events that
    were their user's first with the item, as far as the own items in the user's state remember. What people take for the
    first time is not what is taken most: on groceries debuts of two days predict items that are new to a user a seventh
    better than all events of two days do.

    Counts are relative to `t_ref`, the latest event time. `items` and `scenarios` ascend and hold only what is in use,
    rows ascend by (scenario, item) and by (from, to): equal counts are equal arrays, up to rounding. Totals count what
    the caps left out too, so that shares and probabilities stay honest. Arrays are never written to.
    """

    t_ref: float
    """time that the counts are relative to, -inf if there are none"""
    items: U64
    """(N,) item keys"""
    scenarios: tuple[str, ...]
    share_scenario: I32
    """(R,) position in `scenarios`"""
    share_item: I32
    """(R,) position in `items`"""
    share_counts: F32
    """(R, 2 H) decayed number of the item's events in the scenario, then of its debuts"""
    share_totals: F64
    """(S, 2 H) of all items"""
    pair_offsets: I64
    """(N + 1,) transitions from each item"""
    pair_item: I32
    """(M,) to which item: position in `items`"""
    pair_counts: F32
    """(M, 2) decayed number of baskets in which `to` came after `from`: NEXT, WINDOW"""
    pair_totals: F32
    """(N, 2) of all transitions from an item"""

    @property
    def horizons(self) -> int:
        """Number of half-lives of the shares, H."""
        return int(self.share_counts.shape[1]) // 2

    @property
    def pairs(self) -> int:
        """Number of transitions, M."""
        return len(self.pair_item)


def empty_counts(config: CountsConfig) -> ItemCounts:
    """Nothing counted yet.

    >>> empty_counts(CountsConfig()).horizons
    4
    """
    horizons = len(config.half_lives_s)
    return ItemCounts(
        t_ref=-np.inf,
        items=np.zeros(0, np.uint64),
        scenarios=(),
        share_scenario=np.zeros(0, np.int32),
        share_item=np.zeros(0, np.int32),
        share_counts=np.zeros((0, 2 * horizons), np.float32),
        share_totals=np.zeros((0, 2 * horizons)),
        pair_offsets=np.zeros(1, np.int64),
        pair_item=np.zeros(0, np.int32),
        pair_counts=np.zeros((0, 2), np.float32),
        pair_totals=np.zeros((0, 2), np.float32),
    )
