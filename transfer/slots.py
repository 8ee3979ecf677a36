"""Scenario slots: one decayed sum, counts and first and last time for each scenario of a user."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I32, I64
from transfer.rows import (
    group_starts,
    offsets_of,
    owners,
    places,
    shares,
    sizes_of,
    union,
)
from transfer.states import InterestStates


@dataclass(frozen=True, slots=True)
class SlotRows:
    """Slots of many users in float64; fields as in `InterestStates`."""

    offsets: I64
    code: I32
    sums: F64
    counts: F64
    first: F64
    last: F64


def merge_slots(
    a: InterestStates, b: InterestStates, recode_a: I32, recode_b: I32, decay_a: F64, decay_b: F64
) -> SlotRows:
    """Sum of two sides' slots, each decayed by its (U, K) factors; codes become those of the joint table."""
    code_a, code_b = recode_a[a.scenario_code], recode_b[b.scenario_code]
    joint = union(a.scenario_offsets, [code_a], b.scenario_offsets, [code_b])
    user_a, user_b = a.slot_users(), b.slot_users()
    code = np.empty(joint.size, np.int32)
    sums = np.zeros((joint.size, a.dim))
    counts = np.zeros((joint.size, *a.scenario_counts.shape[1:]))
    first = np.full(joint.size, np.inf)
    last = np.full(joint.size, -np.inf)
    # The first side finds the places empty, so that nothing has to be read and added to.
    place = joint.place_a
    code[place] = code_a
    sums[place] = a.scenario_sums * decay_a[user_a, -1:]
    counts[place] = a.scenario_counts * decay_a[user_a][:, :, None]
    first[place], last[place] = a.scenario_first, a.scenario_last
    place = joint.place_b
    code[place] = code_b
    sums[place] += b.scenario_sums * decay_b[user_b, -1:]
    counts[place] += b.scenario_counts * decay_b[user_b][:, :, None]
    first[place] = np.minimum(first[place], b.scenario_first)
    last[place] = np.maximum(last[place], b.scenario_last)
    return SlotRows(joint.offsets, code, sums, counts, first, last)


def fold_slots(slots: SlotRows, other: int, cap: int, weights: F64, table: int) -> tuple[SlotRows, I64]:
    """Fold the lightest slots into the slot `other` where a user has more than `cap`, `other` included.

    A slot's weight is its share of the user's mass, summed over the half-lives: by the longest alone, a scenario
    just entered would fold at once, and never emerge. Ties fold the smaller name first; `other` itself stays.

    Returns:
        The slots, and (F,) `user * table + code` of those folded, ascending.
    """
    sizes = sizes_of(slots.offsets)
    if not (sizes > cap).any():
        return slots, np.zeros(0, np.int64)
    user = owners(slots.offsets)
    is_other = slots.code == other
    has_other = np.bincount(user[is_other], minlength=len(sizes)) > 0
    excess = np.where(sizes > cap, sizes - cap + ~has_other, 0)
    weight = shares(slots.counts @ weights, slots.offsets).sum(axis=1)
    lightest = np.lexsort((slots.code, weight, is_other, user))
    folded = np.zeros(len(user), np.bool_)
    folded[lightest] = places(slots.offsets) < excess[user]
    keys = user[folded] * table + slots.code[folded]

    code = np.where(folded, np.int32(other), slots.code)
    order = np.lexsort((code, user))
    user, code = user[order], code[order]
    starts = group_starts([user, code])
    offsets = offsets_of(np.bincount(user[starts], minlength=len(sizes)))
    return (
        SlotRows(
            offsets,
            code[starts],
            np.add.reduceat(slots.sums[order], starts, axis=0),
            np.add.reduceat(slots.counts[order], starts, axis=0),
            np.minimum.reduceat(slots.first[order], starts),
            np.maximum.reduceat(slots.last[order], starts),
        ),
        keys,
    )


def follow_fold(code: I32, offsets: I64, folded: I64, other: int, table: int) -> I32:
    """Scenario codes of other rows of the users, pointing at `other` where their slot was folded."""
    if not len(folded):
        return code
    keys = owners(offsets) * table + code
    place = np.minimum(np.searchsorted(folded, keys), len(folded) - 1)
    return np.where(folded[place] == keys, np.int32(other), code)
