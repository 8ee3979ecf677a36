"""How much of a user a state has to hold, by what events lose: own items where none can be measured, ring, scenarios.

Most events are of few users. A cap that has room for nine users of ten says nothing of what the tenth loses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfer.arrays import I32, I64
from transfer.rows import group_starts

OWN_ITEMS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
NEVER_AGAIN = 512
"""Where nothing comes again, own items beyond these only keep an item from being called new."""
RING = (64, 96, 128)
SCENARIOS = (16, 32, 48, 64)
MOST_QUESTIONS = 0.9
MOST_EVENTS = 0.95
NEARLY_ALL_EVENTS = 0.99


def roomy_cap(own: I64) -> int:
    """Room for all own items of a user at nine questions in ten; own (Q,) counts them at each question.

    >>> roomy_cap(np.array([10, 20, 100, 5000])), roomy_cap(np.full(10, 70))
    (512, 96)
    """
    steps = [step for step in OWN_ITEMS if step <= NEVER_AGAIN]
    return _step(steps, [float((own <= step).mean()) for step in steps], MOST_QUESTIONS)


def ring_cap(visit_events: I64) -> int:
    """The least ring that holds all earlier events of the visit at nineteen events in twenty, visits being of (V,) events:
    what a user does right now is known event by event.

    >>> ring_cap(np.array([3, 70, 70])), ring_cap(np.array([30] * 100 + [500]))
    (96, 128)
    """
    return _step(RING, [within_visit(visit_events, step) for step in RING], MOST_EVENTS)


def within_visit(visit_events: I64, cap: int) -> float:
    """Share of events that are among the first `cap` of their visit.

    >>> within_visit(np.array([2, 6]), 3)
    0.625
    """
    return float(np.minimum(visit_events, cap).sum() / visit_events.sum())


def scenarios_cap(user: I32 | I64, events: I64) -> int:
    """The least room in which 99 events in 100 are in a scenario that is kept apart; see `apart`.

    >>> scenarios_cap(np.repeat([0, 1], [3, 20]), np.ones(23, int))
    32
    """
    return _step(SCENARIOS, [apart(user, events, step) for step in SCENARIOS], NEARLY_ALL_EVENTS)


def apart(user: I32 | I64, events: I64, cap: int) -> float:
    """Share of the events in scenarios that a state with room for `cap` keeps apart: of a user with more, the heaviest, and one
    place for all others. user, events: (P,) whose pair each is of a user and a scenario, and its events.

    >>> apart(np.array([0, 0, 0, 1]), np.array([1, 5, 2, 2]), 2)
    0.7
    """
    order = np.lexsort((-events, user))
    starts = group_starts([user[order]])
    sizes = np.diff(starts, append=len(order))
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    kept = (np.repeat(sizes, sizes) <= cap) | (place < cap - 1)
    return float(events[order][kept].sum() / events.sum())


def _step(steps: Sequence[int], shares: Sequence[float], least: float) -> int:
    """The first step whose share is at least `least`, else the last."""
    return next((step for step, share in zip(steps, shares, strict=True) if share >= least), steps[-1])
