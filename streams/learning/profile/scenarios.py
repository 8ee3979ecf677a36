"""How users move between scenarios: how many they have, how often they enter a new one or come back to an old one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from transfer.arrays import F64, I32, I64
from transfer.rows import group_starts

EARLY_EVENTS = 5
"""The user's 1st to 5th event in a scenario count as entering it."""
DORMANT_S = 30 * 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioUse:
    """Shares are of the events after each user's first basket."""

    per_user: I64
    """(U,) distinct scenarios of each user"""
    pair_user: I32
    pair_events: I64
    """`pair_user` and `pair_events`: (P,) each pair of a user and a scenario, and its events"""
    new_share: float
    """share of events in a scenario in which the user had fewer than `EARLY_EVENTS` events before"""
    first_share: float
    """share of events in a scenario in which the user had none"""
    dormant_share: float
    """share of events, not new, in a scenario that the user had left for more than `DORMANT_S`"""
    late_users: float
    """share of users who enter a scenario for the first time in the latter half of their events"""
    belong: bool
    """items belong to scenarios (departments), else scenarios are places (entry pages)"""


def scenario_use(history: History, dormant_s: float = DORMANT_S) -> ScenarioUse:
    """Measure a history; events at one time don't count as earlier than each other."""
    order = np.lexsort((history.time, history.scenario, history.user))
    user, scenario, time = history.user[order], history.scenario[order], history.time[order]
    rows = np.arange(len(order))
    run = group_starts([user, scenario])
    tie = group_starts([user, scenario, time])
    first_of_run = np.repeat(run, np.diff(run, append=len(order)))
    first_of_tie = np.repeat(tie, np.diff(tie, append=len(order)))
    earlier = first_of_tie - first_of_run
    pause: F64 = np.where(earlier > 0, time - time[np.maximum(first_of_tie - 1, 0)], 0.0)
    later = time > history.time[history.offsets[user]]
    new = later & (earlier < EARLY_EVENTS)
    dormant = later & ~new & (pause > dormant_s)
    place = np.empty(len(order), np.int64)
    place[rows] = order - history.offsets[user]
    half = np.diff(history.offsets)[user] / 2
    late = np.unique(user[later & (earlier == 0) & (place >= half)])
    events = max(int(later.sum()), 1)
    return ScenarioUse(
        per_user=np.bincount(user[run], minlength=len(history.users)),
        pair_user=user[run],
        pair_events=np.diff(run, append=len(order)),
        new_share=float(new.sum() / events),
        first_share=float((later & (earlier == 0)).sum() / events),
        dormant_share=float(dormant.sum() / events),
        late_users=len(late) / max(len(np.unique(user)), 1),
        belong=bool((history.item_scenario >= 0).any()),
    )
