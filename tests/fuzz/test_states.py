"""Packed states and counts that are damaged: refused by a typed error that names them, or read; nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from support.checks.reference_state import Event
from support.data.interest_events import SMALL, applied, unit_vector
from support.data.mutated import mutated
from transfer.errors import StateFormatError
from transfer.state.layout import PREFIX
from transfer.state.packing import pack_states, unpack_states


def _life(seed: int, events: int) -> list[Event]:
    rng = np.random.default_rng(seed)
    return [
        Event(
            0, 1.7e9 + float(rng.random()) * 1e6, n + 1, int(rng.integers(5)), int(rng.integers(1, 40)),
            f"scenario {rng.integers(9)}", unit_vector(n, SMALL.dim),
        )
        for n in range(events)
    ]  # fmt: skip


CONFIG = SMALL.model_copy(update={"actions": {"hide": -1.0, "shown": 0.0}})
SEEDS = [pack_states(applied([_life(n, 1 + 40 * n)], CONFIG, users=1), CONFIG)[0] for n in range(4)]
GOOD = SEEDS[2]


def with_checksum(blob: bytes) -> bytes:
    """The same with a right checksum, so that what stands behind it is looked at."""
    body = blob[PREFIX.itemsize :]
    return blob[: PREFIX.itemsize - 8] + xxh3_64_intdigest(body).to_bytes(8, "little") + body


@given(mutated(SEEDS), st.booleans())
def test_a_damaged_state_is_refused_by_its_row_or_read(blob: bytes, checked: bool) -> None:
    """Its row is named, so that the others can be read without it; what is read can be packed, and is bounded by its bytes."""
    if checked and len(blob) > PREFIX.itemsize:
        blob = with_checksum(blob)
    try:
        states = unpack_states([GOOD, blob, None], CONFIG)
    except StateFormatError as error:
        assert error.rows == (1,)
        return
    assert states.users == 3
    for name in ("scenario_sums", "own_mass", "ring_time", "scenario_counts"):
        assert getattr(states, name).nbytes <= 64 * (len(blob) + len(GOOD)) + 4096
    packed = pack_states(states, CONFIG)
    assert packed[0] == GOOD and packed[2] == b""
