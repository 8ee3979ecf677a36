"""Own items: what the user came to before, by item. No average of vectors can say *this very item again*.

They are capped, and serve *again* and explanations alone: nothing else that is made of a state depends on them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I32, I64, U8, U32, U64, Bool
from transfer.codes import NONE
from transfer.rows import (
    group_starts,
    kept_offsets,
    last_in_segment,
    offsets_of,
    owners,
    rows_of,
    segment_max,
    segment_positions,
    segment_shares,
    sizes_of,
    union,
)
from transfer.state.decay import decay
from transfer.state.states import InterestStates
from transfer.state.trims import Arrivals, first_too_many, standing

COUNT_LIMIT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class OwnRows:
    """Own items of many users; fields as in `InterestStates`."""

    offsets: I64
    item: U64
    mass: F64
    count: U32
    last: F64
    action: U8
    scenario: I32

    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """All but the offsets."""
        return self.item, self.mass, self.count, self.last, self.action, self.scenario


@dataclass(frozen=True, slots=True)
class OwnEvents:
    """B events in order of arrival, as far as own items are concerned; an item of 0 is none."""

    user: I64
    item: U64
    time: F64
    action: U8
    scenario: I32
    weight: F64
    """(B,) of the action"""

    def take(self, rows: I64) -> "OwnEvents":
        """Some of them."""
        return OwnEvents(
            self.user[rows],
            self.item[rows],
            self.time[rows],
            self.action[rows],
            self.scenario[rows],
            self.weight[rows],
        )


def own_of_states(states: InterestStates, recode: I32) -> OwnRows:
    """The own items of states, with other codes of scenarios."""
    return OwnRows(
        states.own_offsets,
        states.own_item,
        states.own_mass,
        states.own_count,
        states.own_last,
        states.own_action,
        recode[states.own_scenario],
    )


def own_of_events(events: OwnEvents, users: int, half_lives_s: F64) -> OwnRows:
    """Own items of events; those without an item are left out."""
    # Last in this order is the latest, and on a tie the greater action and name.
    order = np.lexsort((events.scenario, events.action, events.time, events.item, events.user))
    order = order[events.item[order] != 0]
    user, item, time = events.user[order], events.item[order], events.time[order]
    if not len(order):
        return OwnRows(
            np.zeros(users + 1, np.int64),
            item,
            np.zeros((0, len(half_lives_s))),
            np.zeros(0, np.uint32),
            time,
            events.action[order],
            events.scenario[order],
        )
    starts = group_starts([user, item])
    sizes = np.diff(starts, append=len(order))
    final = starts + sizes - 1
    mass = decay(np.repeat(time[final], sizes) - time, half_lives_s) * events.weight[order][:, None]
    return OwnRows(
        offsets_of(np.bincount(user[starts], minlength=users)),
        item[starts],
        np.add.reduceat(mass, starts, axis=0),
        sizes.astype(np.uint32),
        time[final],
        events.action[order][final],
        events.scenario[order][final],
    )


def merge_own(a: OwnRows, b: OwnRows, half_lives_s: F64) -> OwnRows:
    """Sum of two sides' own items; the later tells the last action. In a flush `a` is the larger one by far."""
    joint = union(a.offsets, [a.item], b.offsets, [b.item])
    item = np.empty(joint.size, np.uint64)
    mass = np.zeros((joint.size, len(half_lives_s)))
    count = np.zeros(joint.size, np.uint64)
    last = np.full(joint.size, -np.inf)
    action = np.zeros(joint.size, np.uint8)
    scenario = np.full(joint.size, NONE, np.int32)
    place = joint.place_a
    item[place], mass[place], count[place], last[place] = a.item, a.mass, a.count, a.last
    action[place], scenario[place] = a.action, a.scenario
    place = joint.place_b
    last_before = last[place]
    both = np.flatnonzero(np.isfinite(last_before))
    until = np.maximum(last_before[both], b.last[both])
    mass[place[both]] *= decay(until - last_before[both], half_lives_s)
    added = b.mass.copy()
    added[both] *= decay(until - b.last[both], half_lives_s)
    item[place] = b.item
    mass[place] += added
    count[place] += b.count
    greater = (b.action > action[place]) | ((b.action == action[place]) & (b.scenario > scenario[place]))
    newer = (b.last > last_before) | ((b.last == last_before) & greater)
    target = place[newer]
    last[target], action[target], scenario[target] = b.last[newer], b.action[newer], b.scenario[newer]
    count32 = np.minimum(count, np.uint64(COUNT_LIMIT)).astype(np.uint32)
    return OwnRows(joint.offsets, item, mass, count32, last, action, scenario)


def keep_heaviest(own: OwnRows, limit: int, cap: int, half_lives_s: F64) -> OwnRows:
    """Of users with more than `limit` items `cap`: the heaviest, then latest, then of greatest key.

    An item's weight is its share of the user's mass, summed over the half-lives: by the longest alone, the item
    of a minute ago would be the first to go from a full list.
    """
    users = np.flatnonzero(sizes_of(own.offsets) > limit)
    if not len(users):
        return own
    rows, offsets = rows_of(own.offsets, users)
    owner, last = owners(offsets), own.last[rows]
    mass = own.mass[rows] * decay(segment_max(last, offsets, 0.0)[owner] - last, half_lives_s)
    weight = standing(segment_shares(mass, offsets).sum(axis=1))
    kept = np.ones(len(own.item), np.bool_)
    kept[rows] = False
    ranked = np.lexsort((own.item[rows], last, weight, owner))
    kept[rows[ranked[last_in_segment(offsets, cap)]]] = True
    return _keep(own, kept)


def trim_in_order(
    merged: OwnRows, before: OwnRows, events: OwnEvents, limit: int, cap: int, half_lives_s: F64
) -> OwnRows:
    """`merged` is `before` and the events; users who have too many items there get theirs event by event, so to speak.

    Their lists are trimmed after each event by which they become too long, on the way to `merged` as well as at its end.
    """
    users = np.flatnonzero(sizes_of(merged.offsets) > limit)
    if not len(users):
        return merged
    number = np.full(len(merged.offsets) - 1, NONE, np.int64)
    number[users] = np.arange(len(users))
    events = events.take(np.flatnonzero(number[events.user] >= 0))
    user = number[events.user]
    rows, offsets = rows_of(before.offsets, users)
    own = OwnRows(offsets, *(column[rows] for column in before.columns()))
    arrivals = Arrivals.of(user, len(users))
    while arrivals.left().any():
        window = arrivals.window(2 * limit)
        mine, item = user[window], events.item[window]
        until = first_too_many(own.offsets, own.item, mine, item, item != 0, limit)
        now = np.flatnonzero(np.arange(len(window)) <= until[mine])
        part = events.take(window[now])
        arrivals.apply(mine[now])
        own = merge_own(
            own,
            own_of_events(
                OwnEvents(mine[now], part.item, part.time, part.action, part.scenario, part.weight),
                len(users),
                half_lives_s,
            ),
            half_lives_s,
        )
        own = keep_heaviest(own, limit, cap, half_lives_s)
    # What is left of each of them is part of what it was, and takes the first of its places.
    kept = np.ones(len(merged.item), np.bool_)
    kept[rows_of(merged.offsets, users)[0]] = False
    target = merged.offsets[users][owners(own.offsets)] + segment_positions(own.offsets)
    kept[target] = True
    for column, trimmed in zip(merged.columns(), own.columns(), strict=True):
        column[target] = trimmed
    return _keep(merged, kept)


def _keep(own: OwnRows, kept: Bool) -> OwnRows:
    return OwnRows(kept_offsets(own.offsets, kept), *(column[kept] for column in own.columns()))
