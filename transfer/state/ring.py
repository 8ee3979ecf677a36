"""The ring: each user's latest distinct events by (time, key), which is also the window for duplicates."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I32, I64, U8, U64, Bool
from transfer.rows import (
    kept_offsets,
    last_in_segment,
    owners,
    sizes_of,
    union,
)
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True)
class RingRows:
    """Ring rows of many users, ascending by (time, key); fields as in `InterestStates`."""

    offsets: I64
    key: U64
    time: F64
    item: U64
    action: U8
    scenario: I32


def first_seen(offsets: I64, ring_key: U64, user: npt.NDArray[Any], key: U64) -> Bool:
    """Whether each of (B,) events is neither in its user's ring nor earlier in the batch; offsets, ring_key: of all rings."""
    # Few ring rows share a key with the batch; only those that share its last bits take part in the exact comparison.
    mask = np.uint64(max(1 << 16, 1 << (32 * len(key)).bit_length()) - 1)
    in_batch = np.zeros(int(mask) + 1, np.bool_)
    in_batch[key & mask] = True
    known = np.flatnonzero(in_batch[ring_key & mask])
    users = np.concatenate([owners(offsets)[known], user])
    keys = np.concatenate([ring_key[known], key])
    order = np.lexsort((keys, users))  # stable: ring rows come first, then the batch by position
    repeat = np.zeros(len(keys), np.bool_)
    same = (users[order][1:] == users[order][:-1]) & (keys[order][1:] == keys[order][:-1])
    repeat[order[1:]] = same
    return ~repeat[len(known) :]


def merge_ring(
    a: InterestStates, b: InterestStates, recode_a: I32, recode_b: I32, distinct: bool
) -> RingRows:
    """All rows of two sides' rings; `distinct` promises that no key is on both sides of a user."""
    joint = union(a.ring_offsets, [a.ring_time, a.ring_key], b.ring_offsets, [b.ring_time, b.ring_key])
    ring = RingRows(
        joint.offsets,
        np.empty(joint.size, np.uint64),
        np.empty(joint.size),
        np.empty(joint.size, np.uint64),
        np.empty(joint.size, np.uint8),
        np.empty(joint.size, np.int32),
    )
    for side, place, recode in ((a, joint.place_a, recode_a), (b, joint.place_b, recode_b)):
        ring.key[place] = side.ring_key
        ring.time[place] = side.ring_time
        ring.item[place] = side.ring_item
        ring.action[place] = side.ring_action
        ring.scenario[place] = recode[side.ring_scenario]
    return ring if distinct else _keep(ring, _latest_of_each_key(ring))


def keep_latest(ring: RingRows, length: int) -> tuple[RingRows, I64]:
    """The last `length` rows of each user, and which rows (R,) are left out."""
    if not (sizes_of(ring.offsets) > length).any():
        return ring, np.zeros(0, np.int64)
    kept = last_in_segment(ring.offsets, length)
    return _keep(ring, kept), np.flatnonzero(~kept)


def _latest_of_each_key(ring: RingRows) -> Bool:
    user = owners(ring.offsets)
    order = np.lexsort((ring.time, ring.key, user))
    same = (user[order][1:] == user[order][:-1]) & (ring.key[order][1:] == ring.key[order][:-1])
    kept = np.ones(len(user), np.bool_)
    kept[order[:-1][same]] = False
    return kept


def _keep(ring: RingRows, kept: Bool) -> RingRows:
    return RingRows(
        kept_offsets(ring.offsets, kept),
        ring.key[kept],
        ring.time[kept],
        ring.item[kept],
        ring.action[kept],
        ring.scenario[kept],
    )
