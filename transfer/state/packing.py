"""States <-> one versioned string of bytes a user: little-endian, checksummed, no pickle.

Layout: the records of `transfer/state/layout.py`. Sums are rounded to a billionth (`transfer/state/blocks.py`), all
else is kept as it is. Own and ring rows name a scenario by its slot's position. States of version 1 are read
(`transfer/state/packing_v1.py`), and written as version 2 with the user's next event. A state with what its user declared is of
version 3, and else as one of version 2: a release that would drop it refuses it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from transfer.arrays import I32, I64
from transfer.config import MOST_SLOTS, PLAIN_VERSION, STATE_VERSION, InterestConfig
from transfer.rows import offsets_of, owners, segment_positions, sizes_of
from transfer.state.blocks import to_blocks
from transfer.state.layout import MAGIC, StateLayout
from transfer.state.packed_checks import checked_groups
from transfer.state.packing_aside import pack_aside
from transfer.state.packing_declared import pack_declared
from transfer.state.states import InterestStates, empty_states, stack, take_users

MOST_CELLS = 1 << 25
"""Bytes of a table of users by scenarios; above it slots are searched for."""
MOST_EVENTS = 2**32 - 1
"""Of one action in one slot; no more are counted."""


def pack_states(states: InterestStates, config: InterestConfig) -> list[bytes]:
    """One string of bytes for each user; b"" for a user without events.

    Raises:
        ValueError: states of another shape, a user with more than 256 slots, a name above 65535 bytes.

    >>> config = InterestConfig()
    >>> pack_states(empty_states(2, config), config)
    [b'', b'']
    """
    layout = StateLayout(config)
    if states.global_sums.shape[1:] != layout.head["global_sums"].shape:
        raise ValueError(f"states of shape {states.global_sums.shape[1:]} don't fit the settings")
    slot_sizes = sizes_of(states.scenario_offsets)
    if (slot_sizes > MOST_SLOTS).any():
        raise ValueError("a user has more than 256 scenario slots; merge with max_scenarios first")
    table = [name.encode("utf-8", "surrogatepass") for name in states.scenario_names]
    name_sizes = np.array([len(name) for name in table], np.int64)
    if len(table) and name_sizes.max() > 65535:
        raise ValueError("a scenario name is longer than 65535 bytes")

    name_offsets = offsets_of(name_sizes[states.scenario_code])[states.scenario_offsets]
    head = np.empty(states.users, layout.head)
    for name, value in zip(layout.head.names or (), layout.sizes(), strict=False):
        head[name] = value
    more = [b""] * states.users if states.aside is None else pack_aside(states.aside)
    declared = [b""] * states.users if states.declared is None else pack_declared(states.declared)
    more = [one + said for one, said in zip(more, declared, strict=True)]
    head["slots"], head["names"], head["more"] = slot_sizes, sizes_of(name_offsets), list(map(len, more))
    head["own"], head["ring"] = sizes_of(states.own_offsets), sizes_of(states.ring_offsets)
    head["t_ref"], head["t_first"], head["n_events"] = states.t_ref, states.t_first, states.n_events
    exponents, sums = to_blocks(states.global_sums.reshape(-1, states.dim))
    head["exponents"] = exponents.reshape(states.users, -1)
    head["global_sums"] = sums.reshape(states.global_sums.shape)

    slots = np.empty(len(states.scenario_code), layout.slot)
    slots["exponent"], slots["sums"] = to_blocks(states.scenario_sums)
    slots["counts"], slots["life"] = states.scenario_counts, np.minimum(states.scenario_life, MOST_EVENTS)
    slots["first"], slots["last"] = states.scenario_first, states.scenario_last
    slots["before"], slots["name"] = states.scenario_before, name_sizes[states.scenario_code]
    if config.weigh:
        slots["extra"] = states.scenario_extra
    own = np.empty(len(states.own_item), layout.own)
    own["exponent"], own["mass"] = to_blocks(states.own_mass)
    own["item"], own["count"] = states.own_item, states.own_count
    own["last"], own["action"] = states.own_last, states.own_action
    own["slot"] = _slot_positions(states, states.own_offsets, states.own_scenario)
    ring = np.empty(len(states.ring_key), layout.ring)
    ring["key"], ring["time"], ring["item"] = states.ring_key, states.ring_time, states.ring_item
    ring["action"] = states.ring_action
    ring["slot"] = _slot_positions(states, states.ring_offsets, states.ring_scenario)
    names = b"".join([table[code] for code in states.scenario_code.tolist()])

    start = [MAGIC + version.to_bytes(4, "little") for version in (PLAIN_VERSION, STATE_VERSION)]
    sections = zip(
        ((states.n_events > 0) | (head["more"] > 0)).tolist(),
        _slices(head.tobytes(), np.arange(states.users + 1) * layout.head.itemsize),
        _slices(slots.tobytes(), states.scenario_offsets * layout.slot.itemsize),
        _slices(own.tobytes(), states.own_offsets * layout.own.itemsize),
        _slices(ring.tobytes(), states.ring_offsets * layout.ring.itemsize),
        _slices(names, name_offsets),
        more,
        strict=True,
    )
    packed = []
    for said, (filled, *parts) in zip(declared, sections, strict=True):
        if filled:
            body = b"".join(parts)
            packed.append(b"".join((start[bool(said)], xxh3_64_intdigest(body).to_bytes(8, "little"), body)))
        else:
            packed.append(b"")
    return packed


def declares(packed: bytes) -> bool:
    """Whether a state has what its user declared, seen without reading it.

    >>> declares(b"")
    False
    """
    start = MAGIC + STATE_VERSION.to_bytes(4, "little")
    return packed[: len(start)] == start


def unpack_states(packed: Sequence[bytes | None], config: InterestConfig) -> InterestStates:
    """States of the users whose strings of bytes these are; None and b"" give a user without events.

    Raises:
        StateTooNew: states of a later release are among them. All three name the rows.
        StateSettingsMismatch: else, states that were written with other settings.
        StateFormatError: else, what is no state, cut short or damaged.

    >>> unpack_states([None, b""], InterestConfig()).n_events.tolist()
    [0, 0]
    """
    users = np.array([row for row, blob in enumerate(packed) if blob], np.int64)
    blobs = [blob for blob in packed if blob]
    groups = checked_groups(blobs, users, config)
    if len(groups) == 1 and len(users) == len(packed):
        return groups[0][1].states()
    parts = [empty_states(len(packed) - len(users), config), *(states.states() for _, states in groups)]
    order = [np.delete(np.arange(len(packed)), users), *(users[rows] for rows, _ in groups)]
    return take_users(stack(parts), np.argsort(np.concatenate(order)))


def _slot_positions(states: InterestStates, offsets: I64, code: I32) -> npt.NDArray[Any]:
    """Position among its user's slots of the slot that each row names."""
    user, table = owners(offsets), len(states.scenario_names)
    place = segment_positions(states.scenario_offsets)
    if states.users * table > MOST_CELLS:
        slot_keys = states.slot_users() * table + states.scenario_code
        return place[np.searchsorted(slot_keys, user * table + code)]
    position = np.empty((states.users, table), np.uint8)  # only the cells of slots are set, and read
    position[states.slot_users(), states.scenario_code] = place
    return position[user, code]


def _slices(content: bytes, bounds: I64) -> Iterator[bytes]:
    return (content[start:end] for start, end in pairwise(bounds.tolist()))
