"""Since when a user is in a scenario this time, and how much of what they did since was there."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I64
from transfer.config import InterestConfig
from transfer.rows import group_starts, owners, rows_at
from transfer.state.states import InterestStates

PAUSE = 1.5
"""Longest half-lives after which a scenario is new again. After one, lesser habits came back now and then by chance and led
falsely; after two, few of those that returned for good led in time (`benchmarks/emergence.py`, seeds 100 to 102)."""


@dataclass(frozen=True, slots=True, eq=False)
class Stints:
    """The current stint of each of S slots: its events without a pause of PAUSE times the longest half-life."""

    age_s: F64
    """(S,) seconds from the stint's first event to the user's latest."""
    events: I64
    """(S,) its events in the ring."""
    share: F64
    """(S,) of the ring's events since it began, the share that is its own; 0 without any."""


def stints(states: InterestStates, config: InterestConfig) -> Stints:
    """Stints from first times, the ring and the times before it.

    A scenario's first event tells when it began, unless a pause came in between. A pause shows in the ring, or between the
    scenario's first event in the ring and its latest one before. A pause further back is not seen: the scenario counts as old.

    >>> from transfer.state.states import empty_states
    >>> config = InterestConfig()
    >>> stints(empty_states(2, config), config).events.tolist()
    []
    """
    slots, table = len(states.scenario_code), len(states.scenario_names)
    if not slots:
        return Stints(np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    user = states.slot_users()
    slot_keys = user * table + states.scenario_code
    began = states.scenario_first.copy()
    ring_user = owners(states.ring_offsets)
    slot = rows_at(slot_keys, ring_user * table + states.ring_scenario, states.users * table)
    # Ring rows ascend by time within a user, and so within a slot of the sorted ones.
    order = np.argsort(slot, kind="stable")
    slot, time = slot[order], states.ring_time[order]
    starts = group_starts([slot])
    seen, first = slot[starts], time[starts]

    pause_s = PAUSE * float(config.half_lives_s[-1])
    returned = first - states.scenario_before[seen] > pause_s
    began[seen[returned]] = first[returned]
    paused = np.flatnonzero((slot[1:] == slot[:-1]) & (time[1:] - time[:-1] > pause_s)) + 1
    # Ascending, so that the last pause of a slot is the one that stays.
    began[slot[paused]] = time[paused]

    events = np.bincount(slot[time >= began[slot]], minlength=slots)
    since = _events_since(states, user, began)
    return Stints(
        age_s=states.t_ref[user] - began,
        events=events,
        share=np.divide(events, since, out=np.zeros(slots), where=since > 0),
    )


def _events_since(states: InterestStates, user: I64, since: F64) -> I64:
    """Ring rows of each slot's user at or after a time, (S,): a bisection over the user's rows."""
    low, end = states.ring_offsets[user].copy(), states.ring_offsets[user + 1]
    high = end.copy()
    while True:
        open_ = np.flatnonzero(low < high)
        if not len(open_):
            return end - low
        middle = (low[open_] + high[open_]) // 2
        earlier = states.ring_time[middle] < since[open_]
        low[open_] = np.where(earlier, middle + 1, low[open_])
        high[open_] = np.where(earlier, high[open_], middle)
