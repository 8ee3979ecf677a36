"""Packed counts come back as they were, and what is not whole is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.counted import observe
from support.data.counted_events import SMALL, Step, sequences, step_lists
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.packing import pack_counts, unpack_counts
from transfer.errors import CountsFormatError

ONE = observe(sequences([], [Step(0, 1.0, 5, 0), Step(0, 2.0, 6, 1)]), SMALL)


def same(a: ItemCounts, b: ItemCounts) -> bool:
    fields = [field.name for field in dataclasses.fields(ItemCounts)]
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        and getattr(getattr(a, name), "dtype", None) == getattr(getattr(b, name), "dtype", None)
        for name in fields
    )


@settings(deadline=None, max_examples=40)
@given(step_lists)
def test_counts_come_back_bit_for_bit(events: list[Step]) -> None:
    """Packing loses nothing, not even of nothing."""
    for counts in (observe(sequences([], events), SMALL), empty_counts(SMALL)):
        assert same(unpack_counts(pack_counts(counts, SMALL), SMALL), counts)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_bytes_are_refused(data: st.DataObject) -> None:
    """A changed or missing byte anywhere is noticed; nothing is read from it."""
    packed = pack_counts(ONE, SMALL)
    at = data.draw(st.integers(0, len(packed) - 1))
    flipped = packed[:at] + bytes([packed[at] ^ data.draw(st.integers(1, 255))]) + packed[at + 1 :]
    for damaged in (flipped, packed[:at], packed + b"x"):
        with pytest.raises(CountsFormatError):
            unpack_counts(damaged, SMALL)


def test_other_settings_and_releases_are_refused_by_name() -> None:
    """The error says what to set as it was, or which release to use."""
    with pytest.raises(CountsFormatError, match="pair_window"):
        unpack_counts(pack_counts(ONE, SMALL), SMALL.model_copy(update={"pair_window": 3}))
    later = bytearray(pack_counts(ONE, SMALL))
    later[4] = 9
    with pytest.raises(CountsFormatError, match="version 9, this release reads 2"):
        unpack_counts(bytes(later), SMALL)
    with pytest.raises(ValueError, match="3 half-lives"):
        pack_counts(ONE, CountsConfig(half_lives_s=(1.0,)))
