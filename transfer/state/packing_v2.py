"""States of versions 2 and 3 from their bytes: the records of `layout.py`, also longer or shorter ones of other releases."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I32, I64, Bool
from transfer.config import InterestConfig
from transfer.rows import offsets_of, owners
from transfer.state.blocks import from_blocks
from transfer.state.layout import PREFIX, SIZES, Records, StateLayout
from transfer.state.packing_aside import AGAINST, SHOWN, unpack_aside, whole_aside
from transfer.state.packing_declared import DECLARED, unpack_declared, whole_declared
from transfer.state.sections import sections, sections_of
from transfer.state.states import InterestStates

_MOST_EXPONENT: Final = 1000
"""Beyond it a float64 would be infinite."""


class PackedV2:
    """Whole states (checksum and fingerprint are right) whose records are of equal sizes."""

    def __init__(self, blobs: Sequence[bytes], config: InterestConfig) -> None:
        self._blobs, self._config = blobs, config
        sizes = np.frombuffer(blobs[0], SIZES, 1, PREFIX.itemsize)[0]
        self._sizes = {name: int(sizes[name]) for name in SIZES.names or ()}
        self._layout = StateLayout(config, self._sizes["actions"])
        start, size = PREFIX.itemsize, self._sizes["head_bytes"]
        self._parts: tuple[Records, Records, Records, bytes] | None = None
        self._head = self._records([blob[start : start + size].ljust(size, b"\0") for blob in blobs], "head")

    def fits(self) -> Bool:
        """(N,) whether a state is as long as its head says, and what its records point at is there.

        A checksum tells damage; what was written wrongly, or on purpose, has the right one.
        """
        lengths = np.fromiter(map(len, self._blobs), np.int64, len(self._blobs))
        ends = self._ends()[-1]
        fitting: Bool = ends + self._head["more"] == lengths
        for row in np.flatnonzero(fitting & (self._head["more"] > 0)).tolist():
            fitting[row] = _whole_sections(self._blobs[row][ends[row] :], self._config.dim)
        # Only where all are as long as they say are there records to look at; else those that are not come out first.
        return self._consistent() if fitting.all() else fitting

    def _consistent(self) -> Bool:
        """(N,) numbers are finite, slots and actions that are named exist, and names are text."""
        head, (slots, own, ring, names) = self._head, self._read()
        actions = len(self._config.action_weights)
        timed = np.isfinite(head["t_ref"]) & np.isfinite(head["t_first"])
        none = (head["n_events"] == 0) & (head["t_ref"] == -np.inf) & (head["t_first"] == np.inf)
        right: Bool = (head["n_events"] >= 0) & (timed | none)
        right &= (head["exponents"] <= _MOST_EXPONENT).all(axis=1)
        for records, count in ((own, head["own"]), (ring, head["ring"])):
            user = np.repeat(np.arange(len(head)), count)
            wrong = (records["slot"] >= head["slots"][user]) | (records["action"] >= actions)
            right[user[wrong]] = False
        user = np.repeat(np.arange(len(head)), head["slots"])
        wrong = ~np.isfinite(slots["counts"]).all(axis=(1, 2)) | ~np.isfinite(slots["last"])
        right[user[wrong]] = False
        wrong = ~(np.isfinite(slots["first"]) & (slots["before"] < np.inf))
        right[user[wrong | (slots["exponent"] > _MOST_EXPONENT)]] = False
        right &= np.bincount(user, slots["name"], len(head)) == head["names"]
        user = np.repeat(np.arange(len(head)), head["ring"])
        right[user[~np.isfinite(ring["time"])]] = False
        user = np.repeat(np.arange(len(head)), head["own"])
        right[user[~np.isfinite(own["last"]) | (own["exponent"] > _MOST_EXPONENT)]] = False
        if right.all():
            right[
                np.repeat(np.arange(len(head)), head["slots"])[_not_text(names, offsets_of(slots["name"]))]
            ] = False
        return right

    def _read(self) -> tuple[Records, Records, Records, bytes]:
        """Slots, own items, ring and names of all users."""
        if self._parts is None:
            ends = self._ends()
            slots, own, ring = (
                self._records(_sections(self._blobs, ends, number), name)
                for number, name in enumerate(("slot", "own", "ring"), start=1)
            )
            self._parts = slots, own, ring, b"".join(_sections(self._blobs, ends, 4))
        return self._parts

    def states(self) -> InterestStates:
        """One user a state."""
        head, ends = self._head, self._ends()
        slots, own, ring, text = self._read()
        names, codes = names_of(text, offsets_of(slots["name"]))
        scenario_offsets, own_offsets, ring_offsets = (
            offsets_of(head[name]) for name in ("slots", "own", "ring")
        )
        dim = self._config.dim
        more = head["more"] > 0
        behind = sections_of(self._blobs, ends[-1], more) if more.any() else []
        sums = from_blocks(head["exponents"].reshape(-1), head["global_sums"].reshape(-1, dim))
        return InterestStates(
            half_lives_s=self._config.half_lives,
            t_ref=head["t_ref"].astype(np.float64),
            t_first=head["t_first"].astype(np.float64),
            n_events=head["n_events"].astype(np.int64),
            global_sums=sums.reshape(head["global_sums"].shape),
            scenario_names=names,
            scenario_offsets=scenario_offsets,
            scenario_code=codes,
            scenario_sums=from_blocks(slots["exponent"], slots["sums"]),
            scenario_counts=self._all_actions(slots["counts"].astype(np.float64)),
            scenario_extra=self._extra(slots),
            scenario_life=self._all_actions(slots["life"].astype(np.int64)),
            scenario_first=slots["first"].astype(np.float64),
            scenario_last=slots["last"].astype(np.float64),
            scenario_before=slots["before"].astype(np.float64),
            own_offsets=own_offsets,
            own_item=own["item"].astype(np.uint64),
            own_mass=from_blocks(own["exponent"], own["mass"]),
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
            aside=unpack_aside(behind, dim) if behind else None,
            declared=unpack_declared(behind, dim) if behind else None,
        )

    def _extra(self, slots: Records) -> F64:
        """(S, K) zeros where nothing weighs."""
        if not self._config.weigh:
            return np.zeros((len(slots), len(self._config.half_lives_s)))
        return slots["extra"].astype(np.float64)

    def _all_actions(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., A) with zeros for the actions that the settings have gained since."""
        missing = len(self._config.action_weights) - self._layout.actions
        return values if not missing else np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])

    def _ends(self) -> I64:
        """(5, N) where head, slots, own items, ring and names end."""
        head, sizes = self._head, self._sizes
        lengths = np.empty((5, len(head)), np.int64)
        lengths[0] = PREFIX.itemsize + sizes["head_bytes"]
        lengths[1] = head["slots"].astype(np.int64) * sizes["slot_bytes"]
        lengths[2] = head["own"].astype(np.int64) * sizes["own_bytes"]
        lengths[3] = head["ring"].astype(np.int64) * sizes["ring_bytes"]
        lengths[4] = head["names"]
        ends: I64 = np.cumsum(lengths, axis=0)
        return ends

    def _records(self, sections: Sequence[bytes], name: str) -> Records:
        """Records of one kind: fields that this release does not know are skipped, missing ones are zero."""
        content, size = b"".join(sections), self._sizes[f"{name}_bytes"]
        kind: np.dtype[Any] = getattr(self._layout, name)
        if size == kind.itemsize:
            return np.frombuffer(content, kind)
        there = np.frombuffer(content, np.uint8).reshape(-1, size)[:, : kind.itemsize]
        padded = np.zeros((len(there), kind.itemsize), np.uint8)
        padded[:, : there.shape[1]] = there
        return padded.view(kind)[:, 0]


def _whole_sections(content: bytes, dim: int) -> bool:
    """Whether the sections that this release knows are as long as they say; whatever else stands there is another one's."""
    for tag, part in sections(content):
        if tag in (AGAINST, SHOWN) and not whole_aside(part):
            return False
        if tag == DECLARED and not whole_declared(part, dim):
            return False
    return True


def _not_text(content: bytes, bounds: I64) -> list[int]:
    """Which names are no UTF-8; bounds (N + 1,)."""
    starts = np.frombuffer(content, np.uint8)[bounds[:-1][bounds[:-1] < len(content)]]
    try:
        content.decode("utf-8", "surrogatepass")
        if not ((starts & 0xC0) == 0x80).any():  # none begins within a character
            return []
    except UnicodeDecodeError:
        pass
    found = []
    for row, (start, end) in enumerate(pairwise(bounds.tolist())):
        try:
            content[start:end].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            found.append(row)
    return found


def names_of(content: bytes, bounds: I64) -> tuple[tuple[str, ...], I32]:
    """Table of the distinct names, ascending, and the code of each; bounds (N + 1,) are where each begins and ends."""
    each = [content[start:end] for start, end in pairwise(bounds.tolist())]
    table = sorted(set(each))
    code = {name: position for position, name in enumerate(table)}
    names = tuple(name.decode("utf-8", "surrogatepass") for name in table)
    return names, np.fromiter((code[name] for name in each), np.int32, len(each))


def _sections(blobs: Sequence[bytes], ends: I64, number: int) -> list[bytes]:
    bounds = zip(blobs, ends[number - 1].tolist(), ends[number].tolist(), strict=True)
    return [blob[start:end] for blob, start, end in bounds]
