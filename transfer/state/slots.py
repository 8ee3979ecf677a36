"""Scenario slots: one decayed sum, counts and first and last time for each scenario of a user."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I32, I64
from transfer.codes import NONE
from transfer.rows import (
    group_starts,
    offsets_of,
    owners,
    positions_in,
    rows_at,
    segment_positions,
    segment_shares,
    sizes_of,
    union,
)
from transfer.state.states import InterestStates
from transfer.state.trims import standing


@dataclass(frozen=True, slots=True)
class SlotRows:
    """Slots of many users in float64; fields as in `InterestStates`."""

    offsets: I64
    code: I32
    sums: F64
    counts: F64
    extra: F64
    life: I64
    first: F64
    last: F64
    before: F64


def slots_of_states(states: InterestStates, recode: I32) -> SlotRows:
    """The slots of states, with other codes."""
    return SlotRows(
        states.scenario_offsets,
        recode[states.scenario_code],
        states.scenario_sums,
        states.scenario_counts,
        states.scenario_extra,
        states.scenario_life,
        states.scenario_first,
        states.scenario_last,
        states.scenario_before,
    )


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
    extra = np.zeros((joint.size, a.horizons))
    life = np.zeros((joint.size, a.scenario_life.shape[1]), np.int64)
    first = np.full(joint.size, np.inf)
    last = np.full(joint.size, -np.inf)
    before = np.full(joint.size, -np.inf)
    # The first side finds the places empty, so that nothing has to be read and added to.
    place = joint.place_a
    code[place] = code_a
    sums[place] = a.scenario_sums * decay_a[user_a, -1:]
    left = decay_a[user_a]
    counts[place] = a.scenario_counts * left[:, :, None]
    extra[place] = a.scenario_extra * left
    life[place], before[place] = a.scenario_life, a.scenario_before
    first[place], last[place] = a.scenario_first, a.scenario_last
    place = joint.place_b
    code[place] = code_b
    sums[place] += b.scenario_sums * decay_b[user_b, -1:]
    left = decay_b[user_b]
    counts[place] += b.scenario_counts * left[:, :, None]
    extra[place] += b.scenario_extra * left
    first[place] = np.minimum(first[place], b.scenario_first)
    last[place] = np.maximum(last[place], b.scenario_last)
    life[place] += b.scenario_life
    before[place] = np.maximum(before[place], b.scenario_before)
    return SlotRows(joint.offsets, code, sums, counts, extra, life, first, last, before)


def note_left(slots: SlotRows, user: I64, code: I32, time: F64, table: int) -> None:
    """Raise `before` of the slots whose events (N,) the ring has no room for any longer."""
    if not len(user):
        return
    keys = owners(slots.offsets) * table + slots.code
    place = rows_at(keys, user * table + code, (len(slots.offsets) - 1) * table)
    np.maximum.at(slots.before, place, time)


def fold_slots(
    slots: SlotRows, other: int, limit: int, cap: int, weights: F64, table: int
) -> tuple[SlotRows, I64]:
    """Where a user has more than `limit` slots, fold the lightest into the slot `other` until there are `cap` with it.

    A slot's weight is its share of the user's mass, summed over the half-lives: by the longest alone, a scenario
    just entered would fold at once, and never emerge. Ties fold the smaller name first; `other` itself stays.

    Returns:
        The slots, and (F,) `user * table + code` of those folded, ascending.
    """
    sizes = sizes_of(slots.offsets)
    if not (sizes > limit).any():
        return slots, np.zeros(0, np.int64)
    user = owners(slots.offsets)
    is_other = slots.code == other
    has_other = np.bincount(user[is_other], minlength=len(sizes)) > 0
    excess = np.where(sizes > limit, sizes - cap + ~has_other, 0)
    weight = standing(segment_shares(slots.counts @ weights + slots.extra, slots.offsets).sum(axis=1))
    lightest = np.lexsort((slots.code, weight, is_other, user))
    folded = np.zeros(len(user), np.bool_)
    folded[lightest] = segment_positions(slots.offsets) < excess[user]
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
            np.add.reduceat(slots.extra[order], starts, axis=0),
            np.add.reduceat(slots.life[order], starts, axis=0),
            np.minimum.reduceat(slots.first[order], starts),
            np.maximum.reduceat(slots.last[order], starts),
            np.maximum.reduceat(slots.before[order], starts),
        ),
        keys,
    )


def follow_fold(code: I32, offsets: I64, folded: I64, other: int, table: int) -> I32:
    """Scenario codes of other rows of the users, pointing at `other` where their slot was folded."""
    if not len(folded):
        return code
    keys = owners(offsets) * table + code
    return np.where(positions_in(folded, keys) != NONE, np.int32(other), code)
