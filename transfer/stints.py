"""Since when a user is in a scenario this time, and how much of what they did since was there."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I64, Bool
from transfer.config import InterestConfig
from transfer.rows import group_starts, owners, rows_at, segment_max, sizes_of
from transfer.states import InterestStates

LATELY = 8.0
"""Only scenarios with an event within so many of the shortest half-lives are looked up among the own items; the others count
as old. Nothing hangs on it: a trust of 2^-8 moves nothing."""

FADED = 1e-3
"""Of an event after ten half-lives; float32 sums are exact to a hundredth of that."""

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
    """Stints from first times, the ring and the own items.

    A scenario's first event tells when it began, unless a pause came in between. A pause shows in the ring, or
    between the scenario's first event in the ring and, of its own items, the latest not seen since. If a full list
    of own items has dropped all of these, they were older than the oldest that it kept; by half a half-life, it is
    assumed. Where all items were seen again the scenario counts as old, and where the second-longest half-life still
    remembers an earlier event the items are no proof.

    >>> from transfer.states import empty_states
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

    half_lives_s = config.half_lives
    pause_s = PAUSE * float(half_lives_s[-1])
    unknown = first > began[seen]
    oldest = states.ring_time[states.ring_offsets[user[seen]]]
    returned = unknown & (first - oldest > pause_s)
    recent = states.t_ref[user[seen]] - states.scenario_last[seen] < LATELY * half_lives_s[0]
    asked = np.flatnonzero(unknown & ~returned & recent)
    before = _seen_before(
        states, slot_keys[seen[asked]], first[asked], config.own_items, pause_s - float(half_lives_s[-1])
    )
    returned[asked] = first[asked] - before > pause_s
    if returned[asked].any():
        returned[asked] &= _faded(states, half_lives_s[-2], slot, time, seen[asked])
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


def _seen_before(states: InterestStates, keys: I64, until: F64, own_items: int, dropped_s: float) -> F64:
    """Latest time before `until` that an own item of each slot (ascending keys) was last seen at; +inf: not known.

    Of a full list that holds none: `dropped_s` before the oldest item in it, since what was dropped is older than that.
    """
    if not len(keys):
        return np.zeros(0)
    table = len(states.scenario_names)
    chosen = np.zeros(states.users, np.bool_)
    chosen[keys // table] = True
    rows = np.flatnonzero(np.repeat(chosen, sizes_of(states.own_offsets)))
    wanted = owners(states.own_offsets)[rows] * table + states.own_scenario[rows]
    place = rows_at(keys, wanted, states.users * table)
    kept: Bool = (place >= 0) & (states.own_last[rows] < until[place])
    found = np.full(len(keys), -np.inf)
    np.maximum.at(found, place[kept], states.own_last[rows[kept]])
    full = sizes_of(states.own_offsets) >= own_items
    oldest = np.where(full, -segment_max(-states.own_last, states.own_offsets, -np.inf), np.inf)[
        keys // table
    ]
    return np.where(np.isfinite(found), found, np.where(oldest < until, oldest - dropped_s, np.inf))


def _faded(states: InterestStates, half_life_s: float, slot: I64, time: F64, asked: I64) -> Bool:
    """Whether the counts at a half-life hold next to nothing but the slot's ring rows, for each asked slot (ascending)."""
    place = rows_at(asked, slot, len(states.scenario_code))
    kept = place >= 0
    left = np.exp2(-(states.t_ref[states.slot_users()[slot[kept]]] - time[kept]) / half_life_s)
    known = np.bincount(place[kept], left, minlength=len(asked))
    counts: F64 = states.scenario_counts[asked, -2].sum(axis=1).astype(np.float64)
    return counts - known < FADED


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
