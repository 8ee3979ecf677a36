"""States <-> one versioned string of bytes a user: little-endian, checksummed, no pickle.

Layout: `head | slots | own | ring | names`, the records of `transfer/layout.py`. The checksum covers all that
follows it; scenario names are UTF-8, in slot order; own and ring rows name a scenario by its slot's position.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from transfer.arrays import I32, I64
from transfer.config import STATE_VERSION, InterestConfig
from transfer.errors import StateFormatError
from transfer.layout import MAGIC, PREFIX, Layout
from transfer.rows import offsets_of, owners, places, sizes_of
from transfer.states import InterestStates, empty_states

Rows = npt.NDArray[np.void]

MOST_CELLS = 1 << 25
"""Bytes of a table of users by scenarios; above it slots are searched for."""
REPLAY = "replay the log into a new store"


def pack(states: InterestStates, config: InterestConfig) -> list[bytes]:
    """One string of bytes for each user; b"" for a user without events.

    Raises:
        ValueError: states of another shape, a user with more than 256 slots, a name above 65535 bytes.

    >>> config = InterestConfig()
    >>> pack(empty_states(2, config), config)
    [b'', b'']
    """
    layout = Layout(config)
    if states.global_sums.shape[1:] != layout.head["global_sums"].shape:
        raise ValueError(f"states of shape {states.global_sums.shape[1:]} don't fit the settings")
    slot_sizes = sizes_of(states.scenario_offsets)
    if (slot_sizes > 256).any():
        raise ValueError("a user has more than 256 scenario slots; merge with max_scenarios first")
    table = [name.encode("utf-8", "surrogatepass") for name in states.scenario_names]
    name_sizes = np.array([len(name) for name in table], np.int64)
    if len(table) and name_sizes.max() > 65535:
        raise ValueError("a scenario name is longer than 65535 bytes")

    name_offsets = offsets_of(name_sizes[states.scenario_code])[states.scenario_offsets]
    head = np.empty(states.users, layout.head)
    head["magic"], head["version"], head["checksum"] = MAGIC, STATE_VERSION, 0
    head["fingerprint"] = layout.fingerprint
    head["slots"], head["names"] = slot_sizes, sizes_of(name_offsets)
    head["own"], head["ring"] = sizes_of(states.own_offsets), sizes_of(states.ring_offsets)
    head["t_ref"], head["t_first"], head["n_events"] = states.t_ref, states.t_first, states.n_events
    head["global_sums"] = states.global_sums

    slots = np.empty(len(states.scenario_code), layout.slot)
    slots["sums"], slots["counts"] = states.scenario_sums, states.scenario_counts
    slots["first"], slots["last"] = states.scenario_first, states.scenario_last
    slots["name"] = name_sizes[states.scenario_code]
    own = np.empty(len(states.own_item), layout.own)
    own["item"], own["mass"], own["count"] = states.own_item, states.own_mass, states.own_count
    own["last"], own["action"] = states.own_last, states.own_action
    own["slot"] = _slot_positions(states, states.own_offsets, states.own_scenario)
    ring = np.empty(len(states.ring_key), layout.ring)
    ring["key"], ring["time"], ring["item"] = states.ring_key, states.ring_time, states.ring_item
    ring["action"] = states.ring_action
    ring["slot"] = _slot_positions(states, states.ring_offsets, states.ring_scenario)
    names = b"".join([table[code] for code in states.scenario_code.tolist()])

    start = head[:1].tobytes()[: PREFIX - 8]
    sections = zip(
        (states.n_events > 0).tolist(),
        _slices(head.tobytes(), np.arange(states.users + 1) * layout.head.itemsize),
        _slices(slots.tobytes(), states.scenario_offsets * layout.slot.itemsize),
        _slices(own.tobytes(), states.own_offsets * layout.own.itemsize),
        _slices(ring.tobytes(), states.ring_offsets * layout.ring.itemsize),
        _slices(names, name_offsets),
        strict=True,
    )
    packed = []
    for filled, *parts in sections:
        if filled:
            parts[0] = parts[0][PREFIX:]
            body = b"".join(parts)
            packed.append(b"".join((start, xxh3_64_intdigest(body).to_bytes(8, "little"), body)))
        else:
            packed.append(b"")
    return packed


def unpack(packed: Sequence[bytes | None], config: InterestConfig) -> InterestStates:
    """States of the users whose strings of bytes these are; None and b"" give a user without events.

    Raises:
        StateFormatError: not a state, cut short or damaged, of another version or of other settings.

    >>> unpack([None, b""], InterestConfig()).n_events.tolist()
    [0, 0]
    """
    users = np.array([row for row, blob in enumerate(packed) if blob], np.int64)
    blobs = [blob for blob in packed if blob]
    if not blobs:
        return empty_states(len(packed), config)
    layout = Layout(config)
    head = _checked_heads(blobs, users, layout)

    sizes = np.empty((5, len(blobs)), np.int64)
    sizes[0] = layout.head.itemsize
    sizes[1] = head["slots"].astype(np.int64) * layout.slot.itemsize
    sizes[2] = head["own"].astype(np.int64) * layout.own.itemsize
    sizes[3] = head["ring"].astype(np.int64) * layout.ring.itemsize
    sizes[4] = head["names"]
    ends = np.cumsum(sizes, axis=0)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
    _refuse(users, ends[4] != lengths, f"is cut short or damaged; restore the store, or {REPLAY}")
    slots = np.frombuffer(_section(blobs, ends, 1), layout.slot)
    own = np.frombuffer(_section(blobs, ends, 2), layout.own)
    ring = np.frombuffer(_section(blobs, ends, 3), layout.ring)

    scenario_offsets = _offsets(len(packed), users, head["slots"])
    own_offsets = _offsets(len(packed), users, head["own"])
    ring_offsets = _offsets(len(packed), users, head["ring"])
    names, codes = _names(_section(blobs, ends, 4), offsets_of(slots["name"]))
    t_ref, t_first = np.full(len(packed), -np.inf), np.full(len(packed), np.inf)
    t_ref[users], t_first[users] = head["t_ref"], head["t_first"]
    n_events = np.zeros(len(packed), np.int64)
    n_events[users] = head["n_events"]
    global_sums = np.zeros((len(packed), *head["global_sums"].shape[1:]), np.float32)
    global_sums[users] = head["global_sums"]
    return InterestStates(
        t_ref=t_ref,
        t_first=t_first,
        n_events=n_events,
        global_sums=global_sums,
        scenario_names=names,
        scenario_offsets=scenario_offsets,
        scenario_code=codes,
        scenario_sums=slots["sums"].astype(np.float32),
        scenario_counts=slots["counts"].astype(np.float32),
        scenario_first=slots["first"].astype(np.float64),
        scenario_last=slots["last"].astype(np.float64),
        own_offsets=own_offsets,
        own_item=own["item"].astype(np.uint64),
        own_mass=own["mass"].astype(np.float32),
        own_count=own["count"].astype(np.uint32),
        own_last=own["last"].astype(np.float64),
        own_action=own["action"].astype(np.uint8),
        own_scenario=codes[scenario_offsets[owners(own_offsets)] + own["slot"]],
        ring_offsets=ring_offsets,
        ring_key=ring["key"].astype(np.uint64),
        ring_time=ring["time"].astype(np.float64),
        ring_item=ring["item"].astype(np.uint64),
        ring_action=ring["action"].astype(np.uint8),
        ring_scenario=codes[scenario_offsets[owners(ring_offsets)] + ring["slot"]],
    )


def _checked_heads(blobs: Sequence[bytes], users: I64, layout: Layout) -> Rows:
    """Heads of states that are whole; the body needs no further check."""
    size = layout.head.itemsize
    starts = [blob[:PREFIX] for blob in blobs]
    _refuse(
        users,
        np.array([len(start) < PREFIX or start[:4] != MAGIC for start in starts]),
        f"is not an interest state (or cut short); restore the store, or {REPLAY}",
    )
    prefix = np.frombuffer(b"".join(starts), np.dtype([("magic", "S4"), ("version", "<u4"), ("sum", "<u8")]))
    versions = prefix["version"]
    _refuse(
        users,
        versions != STATE_VERSION,
        f"has version {{}}, this release reads {STATE_VERSION}; use the release that wrote it, or {REPLAY}",
        versions,
    )
    digests = np.fromiter((xxh3_64_intdigest(blob[PREFIX:]) for blob in blobs), np.uint64, len(blobs))
    _refuse(users, digests != prefix["sum"], f"is cut short or damaged; restore the store, or {REPLAY}")
    # The fingerprint comes before the length: states of other settings have another head.
    prints = np.frombuffer(b"".join([blob[PREFIX : PREFIX + 8].ljust(8, b"\0") for blob in blobs]), "<u8")
    _refuse(
        users,
        prints != layout.fingerprint,
        "was written with other settings (dim, half-lives or action weights); "
        f"set them as they were, or {REPLAY}",
    )
    short = np.fromiter((len(blob) < size for blob in blobs), np.bool_, len(blobs))
    _refuse(users, short, f"is cut short or damaged; restore the store, or {REPLAY}")
    return np.frombuffer(b"".join([blob[:size] for blob in blobs]), layout.head)


def _refuse(users: I64, bad: npt.NDArray[Any], reason: str, values: npt.NDArray[Any] | None = None) -> None:
    wrong = np.flatnonzero(bad)
    if len(wrong):
        text = reason if values is None else reason.format(values[wrong[0]])
        raise StateFormatError(f"the state in row {users[wrong[0]]} (of {len(wrong)} refused) {text}")


def _slot_positions(states: InterestStates, offsets: I64, code: I32) -> npt.NDArray[Any]:
    """Position among its user's slots of the slot that each row names."""
    user, table = owners(offsets), len(states.scenario_names)
    place = places(states.scenario_offsets)
    if states.users * table > MOST_CELLS:
        slot_keys = states.slot_users() * table + states.scenario_code
        return place[np.searchsorted(slot_keys, user * table + code)]
    position = np.empty((states.users, table), np.uint8)  # only the cells of slots are set, and read
    position[states.slot_users(), states.scenario_code] = place
    return position[user, code]


def _slices(content: bytes, bounds: I64) -> Iterator[bytes]:
    return (content[start:end] for start, end in pairwise(bounds.tolist()))


def _section(blobs: Iterable[bytes], ends: I64, number: int) -> bytes:
    bounds = zip(blobs, ends[number - 1].tolist(), ends[number].tolist(), strict=True)
    return b"".join([blob[start:end] for blob, start, end in bounds])


def _offsets(total: int, users: I64, sizes: npt.NDArray[Any]) -> I64:
    every = np.zeros(total, np.int64)
    every[users] = sizes
    return offsets_of(every)


def _names(content: bytes, bounds: I64) -> tuple[tuple[str, ...], I32]:
    """Table of the distinct names, ascending, and the code of each."""
    each = list(_slices(content, bounds))
    table = sorted(set(each))
    code = {name: position for position, name in enumerate(table)}
    names = tuple(name.decode("utf-8", "surrogatepass") for name in table)
    return names, np.fromiter((code[name] for name in each), np.int32, len(each))
