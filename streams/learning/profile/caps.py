"""How much of a user a state has to hold: own items, ring, scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfer.arrays import I64

OWN_ITEMS = (64, 96, 128, 192, 256, 384, 512)
RING = (64, 96, 128)
SCENARIOS = (16, 32, 48, 64)
MOST_USERS = 0.9
NEARLY_ALL_USERS = 0.99
MOST_VISITS = 0.95


def own_items_cap(distinct: I64) -> int:
    """Room for the distinct items (U,) of nine users in ten, within bounds: an own item costs about 40 bytes a user.

    >>> own_items_cap(np.array([10, 20, 100, 5000])), own_items_cap(np.full(10, 70))
    (512, 96)
    """
    return _step(OWN_ITEMS, float(np.quantile(distinct, MOST_USERS)))


def ring_cap(visit_events: I64) -> int:
    """Room for nineteen visits in twenty, in events (V,): what a user does right now is known event by event.

    >>> ring_cap(np.array([3, 70, 70]))
    96
    """
    return _step(RING, float(np.quantile(visit_events, MOST_VISITS)))


def scenarios_cap(per_user: I64) -> int:
    """Room for the scenarios (U,) of 99 users in 100, and one for all others.

    >>> scenarios_cap(np.array([3, 20]))
    32
    """
    return _step(SCENARIOS, float(np.quantile(per_user, NEARLY_ALL_USERS)) + 1)


def share_that_fits(sizes: I64, cap: int) -> float:
    """Share of users that `cap` holds in full.

    >>> share_that_fits(np.array([3, 20]), 10)
    0.5
    """
    return float((sizes <= cap).mean())


def _step(steps: Sequence[int], needed: float) -> int:
    return next((step for step in steps if step >= needed), steps[-1])
