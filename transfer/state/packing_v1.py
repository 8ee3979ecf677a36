"""States of version 1 from their bytes: float32 sums, and no summary of a user's life outside the own items.

What they lack is derived as well as they tell:

- events since ever (`scenario_life`): a user's number of events is known. It is spread over the slots by what is known of
  each, the greatest of: events on its own items, its decayed count at the longest half-life, its events in the ring; and
  within a slot over the actions as that decayed count is.
- the time before the ring (`scenario_before`): exact where the ring holds all of a scenario's events, or none. Else the
  latest of its own items that was not seen since; where there is none, or the second-longest half-life remembers a later
  event, a moment before its first event in the ring, so that it counts as an old scenario.

Once as many events have come as the ring holds, only the events since ever are derived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I64, Bool
from transfer.config import ACTIONS, InterestConfig
from transfer.rows import offsets_of, owners, segment_positions, segment_shares, segment_sum, sizes_of
from transfer.state.decay import decay
from transfer.state.layout import PREFIX
from transfer.state.packing_v2 import names_of
from transfer.state.states import InterestStates

FADED = 1e-3
"""Of an event after ten half-lives; float32 sums are exact to a hundredth of that."""


class PackedV1:
    """Whole states (checksum and fingerprint are right); the three actions of that version come first among the settings'."""

    def __init__(self, blobs: Sequence[bytes], config: InterestConfig) -> None:
        self._config = config
        horizons, actions = len(config.half_lives_s), len(ACTIONS)
        self._head_kind = np.dtype(
            [
                *((name, PREFIX[name]) for name in PREFIX.names or ()),
                ("fingerprint", "<u8"),
                *((name, "<u4") for name in ("slots", "own", "ring", "names")),
                *(("t_ref", "<f8"), ("t_first", "<f8"), ("n_events", "<i8")),
                ("global_sums", "<f4", (horizons - 1, config.dim)),
            ]
        )
        self._slot_kind = np.dtype(
            [
                ("sums", "<f4", (config.dim,)),
                ("counts", "<f4", (horizons, actions)),
                *(("first", "<f8"), ("last", "<f8"), ("name", "<u2")),
            ]
        )
        self._own_kind = np.dtype(
            [
                *(("item", "<u8"), ("mass", "<f4", (horizons,)), ("count", "<u4")),
                *(("last", "<f8"), ("action", "u1"), ("slot", "u1")),
            ]
        )
        self._ring_kind = np.dtype(
            [("key", "<u8"), ("time", "<f8"), ("item", "<u8"), ("action", "u1"), ("slot", "u1")]
        )
        self._blobs = blobs

    def fits(self) -> Bool:
        """(N,) whether a state is as long as its head says."""
        size = self._head_kind.itemsize
        lengths = np.fromiter(map(len, self._blobs), np.int64, len(self._blobs))
        there = lengths >= size
        head = self._heads([blob.ljust(size, b"\0") for blob in self._blobs])
        fitting: Bool = there & (self._ends(head)[-1] == lengths)
        return fitting

    def states(self) -> InterestStates:
        """One user a state."""
        config, head = self._config, self._heads(self._blobs)
        ends = self._ends(head)
        slots, own, ring = (
            np.frombuffer(self._section(ends, number), kind)
            for number, kind in enumerate((self._slot_kind, self._own_kind, self._ring_kind), start=1)
        )
        names, codes = names_of(self._section(ends, 4), offsets_of(slots["name"]))
        scenario_offsets, own_offsets, ring_offsets = (
            offsets_of(head[name]) for name in ("slots", "own", "ring")
        )
        t_ref = head["t_ref"].astype(np.float64)
        own_slot = scenario_offsets[owners(own_offsets)] + own["slot"]
        ring_slot = scenario_offsets[owners(ring_offsets)] + ring["slot"]
        records = _Records(scenario_offsets, slots, own, own_slot, ring, ring_slot)
        return InterestStates(
            half_lives_s=config.half_lives,
            t_ref=t_ref,
            t_first=head["t_first"].astype(np.float64),
            n_events=head["n_events"].astype(np.int64),
            global_sums=head["global_sums"].astype(np.float64),
            scenario_names=names,
            scenario_offsets=scenario_offsets,
            scenario_code=codes,
            scenario_sums=slots["sums"].astype(np.float64),
            scenario_counts=self._all_actions(slots["counts"].astype(np.float64)),
            scenario_extra=np.zeros((len(slots), len(config.half_lives_s))),
            scenario_life=self._all_actions(_life(head["n_events"], records)),
            scenario_first=slots["first"].astype(np.float64),
            scenario_last=slots["last"].astype(np.float64),
            scenario_before=_before(config.half_lives, t_ref, records),
            own_offsets=own_offsets,
            own_item=own["item"].astype(np.uint64),
            own_mass=_as_of_last(own, t_ref[owners(own_offsets)], config),
            own_count=own["count"].astype(np.uint32),
            own_last=own["last"].astype(np.float64),
            own_action=own["action"].astype(np.uint8),
            own_scenario=codes[own_slot],
            ring_offsets=ring_offsets,
            ring_key=ring["key"].astype(np.uint64),
            ring_time=ring["time"].astype(np.float64),
            ring_item=ring["item"].astype(np.uint64),
            ring_action=ring["action"].astype(np.uint8),
            ring_scenario=codes[ring_slot],
        )

    def _all_actions(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., A) with zeros for the actions that the store has gained since."""
        missing = len(self._config.action_names) - len(ACTIONS)
        return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])

    def _heads(self, blobs: Sequence[bytes]) -> npt.NDArray[np.void]:
        size = self._head_kind.itemsize
        return np.frombuffer(b"".join([blob[:size] for blob in blobs]), self._head_kind)

    def _ends(self, head: npt.NDArray[np.void]) -> I64:
        lengths = np.empty((5, len(head)), np.int64)
        lengths[0] = self._head_kind.itemsize
        kinds = (self._slot_kind, self._own_kind, self._ring_kind)
        for row, (name, kind) in enumerate(zip(("slots", "own", "ring"), kinds, strict=True), start=1):
            lengths[row] = head[name].astype(np.int64) * kind.itemsize
        lengths[4] = head["names"]
        ends: I64 = np.cumsum(lengths, axis=0)
        return ends

    def _section(self, ends: I64, number: int) -> bytes:
        bounds = zip(self._blobs, ends[number - 1].tolist(), ends[number].tolist(), strict=True)
        return b"".join([blob[start:end] for blob, start, end in bounds])


@dataclass(frozen=True, slots=True, eq=False)
class _Records:
    """Slots of all users, their own items and rings, and the slot of each of those."""

    offsets: I64
    slots: Any
    own: Any
    own_slot: I64
    ring: Any
    ring_slot: I64


def _life(n_events: I64, records: _Records) -> I64:
    """(S, A) whole numbers that sum to each user's number of events."""
    offsets, slots = records.offsets, records.slots
    count, user = len(slots), owners(offsets)
    slow = slots["counts"][:, -1].astype(np.float64)
    on_own = np.bincount(records.own_slot, records.own["count"], count)
    in_ring = np.bincount(records.ring_slot, minlength=count)
    known = np.maximum(np.maximum(on_own, in_ring), slow.sum(axis=1))
    total = slow.sum(axis=1, keepdims=True)
    mix = np.divide(slow, total, out=np.full_like(slow, 1 / slow.shape[1]), where=total > 0)
    ideal = (n_events[user] * segment_shares(known, offsets))[:, None] * mix
    whole = np.floor(ideal)
    # The cells with the largest fractions get what is missing.
    missing = n_events - segment_sum(whole.sum(axis=1), offsets).astype(np.int64)
    cells = offsets * slow.shape[1]
    order = np.lexsort((-(ideal - whole).reshape(-1), owners(cells)))
    extra = np.zeros(whole.size, np.int64)
    extra[order] = segment_positions(cells) < np.repeat(missing, sizes_of(cells))
    life: I64 = whole.astype(np.int64) + extra.reshape(whole.shape)
    return life


def _before(half_lives_s: F64, t_ref: F64, records: _Records) -> F64:
    """(S,) latest time before the ring."""
    slots, own, ring = records.slots, records.own, records.ring
    own_slot, ring_slot = records.own_slot, records.ring_slot
    user = owners(records.offsets)
    first = np.full(len(slots), np.inf)
    np.minimum.at(first, ring_slot, ring["time"])
    seen = np.full(len(slots), -np.inf)
    older = own["last"] < first[own_slot]
    np.maximum.at(seen, own_slot[older], own["last"][older])
    left = decay(t_ref[user[ring_slot]] - ring["time"], half_lives_s[-2:-1])[:, 0]
    remembered = slots["counts"][:, -2].sum(axis=1) - np.bincount(ring_slot, left, len(slots)) >= FADED
    unseen = np.nextafter(first, -np.inf, out=np.zeros(len(slots)), where=np.isfinite(first))
    derived = np.where(np.isfinite(seen) & ~remembered, np.maximum(seen, slots["first"]), unseen)
    result: F64 = np.where(
        np.isinf(first), slots["last"], np.where(slots["first"] >= first, -np.inf, derived)
    )
    return result


def _as_of_last(own: Any, t_ref: F64, config: InterestConfig) -> F64:
    """Masses (O, K) as of each item's latest event; float32 may have forgotten them, but not less than that event's own."""
    with np.errstate(over="ignore", invalid="ignore"):
        mass = own["mass"].astype(np.float64) / decay(t_ref - own["last"], config.half_lives)
    least = config.action_weights[own["action"]][:, None]
    most = own["count"][:, None] * config.action_weights[: len(ACTIONS)].max()
    masses: F64 = np.clip(np.where(np.isfinite(mass), mass, 0.0), least, most)
    return masses
