"""Is this a state, whole, of a version and of settings that can be read? An error names the rows that are refused."""

from collections.abc import Iterator, Sequence

import numpy as np
from xxhash import xxh3_64_intdigest

from transfer.arrays import I64, Bool
from transfer.config import STATE_VERSION, InterestConfig
from transfer.errors import StateFormatError, StateSettingsMismatch, StateTooNew
from transfer.state.layout import MAGIC, PREFIX, SIZES, StateLayout
from transfer.state.packing_v1 import PackedV1
from transfer.state.packing_v2 import PackedV2

REPLAY = "replay the log into a new store"

Packed = PackedV1 | PackedV2


def checked_groups(blobs: Sequence[bytes], users: I64, config: InterestConfig) -> list[tuple[I64, Packed]]:
    """The states in groups that are read at once, each with its places among them; users (N,): rows as messages name them.

    States of a later release are refused first, then those of other settings: nothing is wrong with them.

    Raises:
        StateTooNew, StateSettingsMismatch, StateFormatError: see `transfer.state.packing.unpack_states`.
    """
    if not blobs:
        return []
    prefix = np.frombuffer(b"".join([_padded(blob, 0, PREFIX) for blob in blobs]), PREFIX)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
    state = (lengths >= PREFIX.itemsize) & (prefix["magic"] == MAGIC)
    newer = state & (prefix["version"] > STATE_VERSION)
    if newer.any():
        version = prefix["version"][newer][0]
        raise StateTooNew(
            f"{_which(users, newer)} has version {version}, this release reads {STATE_VERSION} and older; use the release "
            f"that wrote it, or {REPLAY}",
            users[newer].tolist(),
        )
    digests = np.fromiter(
        (xxh3_64_intdigest(blob[PREFIX.itemsize :]) for blob in blobs), np.uint64, len(blobs)
    )
    whole = state & (prefix["version"] > 0) & (digests == prefix["checksum"])
    sizes = np.frombuffer(b"".join([_padded(blob, PREFIX.itemsize, SIZES) for blob in blobs]), SIZES)
    first = prefix["version"] == 1
    # The fingerprint comes before lengths: states of other settings have other records.
    layout = StateLayout(config)
    other = whole & (sizes["fingerprint"] != layout.fingerprint)
    if other.any():
        raise StateSettingsMismatch(
            f"{_which(users, other)} was written with other settings (dim, half-lives or action weights); set them as they "
            f"were, or {REPLAY}",
            users[other].tolist(),
        )
    gained = whole & ~first & (sizes["actions"] > layout.actions)
    if gained.any():
        raise StateSettingsMismatch(
            f"{_which(users, gained)} was written with {int(sizes['actions'][gained].max())} actions, and {layout.actions} are "
            "known here: the store has gained some since it was opened; start again",
            users[gained].tolist(),
        )
    whole &= first | (lengths >= PREFIX.itemsize + SIZES.itemsize)
    smallest = np.minimum(np.minimum(sizes["slot_bytes"], sizes["own_bytes"]), sizes["ring_bytes"])
    whole &= first | ((sizes["head_bytes"] >= SIZES.itemsize) & (smallest > 0))
    groups = []
    for rows in _groups(whole, first, sizes):
        chosen = [blobs[row] for row in rows.tolist()]
        packed = PackedV1(chosen, config) if first[rows[0]] else PackedV2(chosen, config)
        whole[rows] = packed.fits()
        groups.append((rows, packed))
    if not whole.all():
        bad = ~whole
        what = "is cut short or damaged" if state[bad][0] else "is not an interest state (or cut short)"
        raise StateFormatError(
            f"{_which(users, bad)} {what}; restore the store, or {REPLAY}", users[bad].tolist()
        )
    return groups


def _padded(blob: bytes, start: int, kind: np.dtype) -> bytes:
    return blob[start : start + kind.itemsize].ljust(kind.itemsize, b"\0")


def _which(users: I64, bad: Bool) -> str:
    return f"the state in row {users[bad][0]} (of {np.count_nonzero(bad)} refused)"


def _groups(whole: Bool, first: Bool, sizes: np.ndarray) -> Iterator[I64]:
    """Whole states of version 1, then of later ones by the sizes of their records."""
    if (whole & first).any():
        yield np.flatnonzero(whole & first)
    left = whole & ~first
    while left.any():
        alike = left & (sizes == sizes[np.flatnonzero(left)[0]])
        yield np.flatnonzero(alike)
        left &= ~alike
