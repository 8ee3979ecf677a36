"""Own items: what the user came to before, by item. No average of vectors can say *this very item again*."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I32, I64, U8, U32, U64
from transfer.rows import (
    group_starts,
    kept_offsets,
    last_places,
    offsets_of,
    owners,
    shares,
    sizes_of,
    union,
)
from transfer.states import InterestStates

COUNT_LIMIT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class OwnRows:
    """Own items of many users, masses in float64; fields as in `InterestStates`."""

    offsets: I64
    item: U64
    mass: F64
    count: U32
    last: F64
    action: U8
    scenario: I32


def own_of_events(
    user: I64, item: U64, time: F64, action: U8, scenario: I32, mass: F64, users: int
) -> OwnRows:
    """Own items of (B,) events, each with its decayed masses (B, K); events without an item are left out."""
    # Last in this order is the latest, and on a tie the greater action and name.
    order = np.lexsort((scenario, action, time, item, user))
    order = order[item[order] != 0]
    user, item = user[order], item[order]
    starts = group_starts([user, item])
    if not len(starts):
        empty = order[:0]
        return OwnRows(
            np.zeros(users + 1, np.int64),
            item,
            mass[empty],
            np.zeros(0, np.uint32),
            time[empty],
            action[empty],
            scenario[empty],
        )
    sizes = np.diff(starts, append=len(order))
    final = order[starts + sizes - 1]
    return OwnRows(
        offsets_of(np.bincount(user[starts], minlength=users)),
        item[starts],
        np.add.reduceat(mass[order], starts, axis=0),
        sizes.astype(np.uint32),
        time[final],
        action[final],
        scenario[final],
    )


def merge_own(
    a: InterestStates, b: InterestStates, recode_a: I32, recode_b: I32, decay_a: F64, decay_b: F64
) -> OwnRows:
    """Sum of two sides' own items, each decayed by its (U, K) factors; the later tells the last action."""
    joint = union(a.own_offsets, [a.own_item], b.own_offsets, [b.own_item])
    item = np.empty(joint.size, np.uint64)
    mass = np.zeros((joint.size, a.own_mass.shape[1]))
    count = np.zeros(joint.size, np.uint64)
    last = np.full(joint.size, -np.inf)
    action = np.zeros(joint.size, np.uint8)
    scenario = np.full(joint.size, -1, np.int32)
    # The first side finds the places empty; in a flush it is the larger one by far.
    place = joint.place_a
    item[place] = a.own_item
    mass[place] = a.own_mass * decay_a[owners(a.own_offsets)]
    count[place], last[place] = a.own_count, a.own_last
    action[place], scenario[place] = a.own_action, recode_a[a.own_scenario]
    place, code = joint.place_b, recode_b[b.own_scenario]
    item[place] = b.own_item
    mass[place] += b.own_mass * decay_b[owners(b.own_offsets)]
    count[place] += b.own_count
    tie = b.own_last == last[place]
    greater = (b.own_action > action[place]) | ((b.own_action == action[place]) & (code > scenario[place]))
    newer = (b.own_last > last[place]) | (tie & greater)
    target = place[newer]
    last[target], action[target], scenario[target] = b.own_last[newer], b.own_action[newer], code[newer]
    count32 = np.minimum(count, np.uint64(COUNT_LIMIT)).astype(np.uint32)
    return OwnRows(joint.offsets, item, mass, count32, last, action, scenario)


def keep_heaviest(own: OwnRows, cap: int) -> OwnRows:
    """At most `cap` items a user: heaviest, then latest, then of greatest key.

    An item's weight is its share of the user's mass, summed over the half-lives: by the longest alone, the item
    of a minute ago would be the first to go from a full list.
    """
    if not (sizes_of(own.offsets) > cap).any():
        return own
    kept = np.zeros(len(own.item), np.bool_)
    ranked = np.lexsort((own.item, own.last, shares(own.mass, own.offsets).sum(axis=1), owners(own.offsets)))
    kept[ranked] = last_places(own.offsets, cap)
    return OwnRows(
        kept_offsets(own.offsets, kept),
        own.item[kept],
        own.mass[kept],
        own.count[kept],
        own.last[kept],
        own.action[kept],
        own.scenario[kept],
    )
