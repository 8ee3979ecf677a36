"""The identity of events, by which duplicates are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash

from streams.events.columns import EventColumns
from transfer.arrays import U64
from transfer.config import ACTIONS

_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def event_keys(
    columns: EventColumns, event_ids: Sequence[str | None] | None, actions: Sequence[str] = ACTIONS
) -> U64:
    """Identity of each event for duplicates: (B,) uint64, never 0.

    With an event id: XXH3-64 of it. Without one: the XXH3-64 of item, text and scenario, the bits of the
    time and the action, each folded in by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), so that
    strings are hashed once per distinct value. The user is no part of it: keys are compared within a user.
    `event_ids` is None where no event has one; "" counts as none. Texts are already truncated. `actions` are the names behind
    the codes: of the three that are always there the code is folded in, of a further one the XXH3-64 of its name, so that
    an identity does not depend on where a name stands.
    """
    if event_ids is not None and all(event_ids):
        keys = _hashes(event_ids)[:-1]  # type: ignore[arg-type]  # no None among them
        keys[keys == 0] = 1
        return keys
    keys = np.zeros(len(columns), np.uint64)
    keys = mixed_bits(keys ^ _hashes(columns.items)[columns.item])
    keys = mixed_bits(keys ^ _hashes(columns.texts)[columns.text])
    keys = mixed_bits(keys ^ _hashes(columns.scenarios)[columns.scenario])
    # + 0.0: minus zero is the same moment as zero.
    keys = mixed_bits(keys ^ (columns.time + 0.0).view(np.uint64))
    keys = mixed_bits(keys ^ _of_actions(actions)[columns.action])
    if event_ids is not None:
        known = [row for row, event_id in enumerate(event_ids) if event_id]
        keys[known] = _hashes([event_id for event_id in event_ids if event_id])[:-1]
    keys[keys == 0] = 1
    return keys


def _of_actions(names: Sequence[str]) -> U64:
    """(A,) what stands for each code."""
    built_in = np.arange(len(ACTIONS), dtype=np.uint64)
    return np.concatenate([built_in, _hashes(names[len(ACTIONS) :])[:-1]])


def _hashes(table: Sequence[str]) -> U64:
    """(T + 1,) XXH3-64 of each string; the last row is what the code -1 finds."""
    # Joined digests, not their integers: no Python integer is made of each. A digest is big-endian.
    digests = b"".join(map(xxhash.xxh3_64_digest, map(str.encode, table))) + bytes(8)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def mixed_bits(state: U64) -> U64:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of each number depends on all of its bits."""
    state = state + _STEP
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    mixed: U64 = state ^ (state >> np.uint64(31))
    return mixed
