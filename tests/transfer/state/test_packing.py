"""States as bytes: exact, small, and never read as something else."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from support.checks.reference_state import Event, max_relative_error
from support.data.interest_events import SMALL, Life, applied, event_lists, unit_vector
from transfer.config import InterestConfig
from transfer.errors import StateFormatError, StateSettingsMismatch, StateTooNew
from transfer.state import packing
from transfer.state.layout import PREFIX as PREFIX_KIND
from transfer.state.layout import SIZES, StateLayout
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states, take_users

DEFAULT = InterestConfig()
PREFIX = PREFIX_KIND.itemsize
moderate = settings(deadline=None, max_examples=60)


def shopper(events: int = 20, scenarios: int = 3, config: InterestConfig = DEFAULT) -> InterestStates:
    """A user of that many distinct items."""
    life = [
        Event(
            0, 1.7e9 + 60.0 * n, n + 1, n % 3, n + 1, f"scenario {n % scenarios}", unit_vector(n, config.dim)
        )
        for n in range(events)
    ]
    return applied([life], config, users=1)


PACKED = pack_states(shopper(), DEFAULT)[0]


@moderate
@given(event_lists())
def test_states_come_back_exactly(events: list[Event]) -> None:
    """Packing rounds sums to a billionth and changes nothing else, also of users without events among others."""
    states = applied([events], SMALL, users=4)
    packed = pack_states(states, SMALL)
    back = unpack_states(packed, SMALL)
    assert max_relative_error(back, states) < 1e-9
    assert max_relative_error(unpack_states(pack_states(back, SMALL), SMALL), back) == 0.0
    assert packed[3] == b""
    assert pack_states(back, SMALL) == packed


@moderate
@given(event_lists())
def test_many_scenarios_pack_to_the_same_bytes(events: list[Event]) -> None:
    """Where users by scenarios would be too large a table the bytes are the same."""
    states = applied([events], SMALL, users=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MOST_CELLS", 0)
        searched = pack_states(states, SMALL)
    assert searched == pack_states(states, SMALL)


@moderate
@given(event_lists())
def test_a_users_bytes_do_not_depend_on_the_others(events: list[Event]) -> None:
    """Each user packs alone as in company, and the bytes of many users unpack together in any order."""
    states = applied([events], SMALL)
    packed = pack_states(states, SMALL)
    assert packed == [pack_states(take_users(states, np.array([row])), SMALL)[0] for row in range(3)]
    back = unpack_states([packed[2], None, packed[0]], SMALL)
    assert max_relative_error(take_users(back, np.array([0, 2])), take_users(states, np.array([2, 0]))) < 1e-9


def test_a_usual_state_takes_about_4_kb() -> None:
    """20 events in three scenarios at 128 dimensions: the size that the store's speed was planned for."""
    assert 3500 < len(PACKED) < 4300


def test_nothing_packs_to_nothing() -> None:
    """Users without events, and no users at all, are fine."""
    assert pack_states(empty_states(2, DEFAULT), DEFAULT) == [b"", b""]
    assert unpack_states([], DEFAULT).users == 0
    assert max_relative_error(unpack_states([None, b""], DEFAULT), empty_states(2, DEFAULT)) == 0.0


def test_caps_may_change_between_runs() -> None:
    """A state written with larger caps is read, and shrinks with the next event."""
    tight = InterestConfig(own_items=5, ring=4, max_scenarios=2)
    states = unpack_states([PACKED], tight)
    assert len(states.own_item) == 20 > tight.most_items
    event = Event(0, 1.8e9, 999, 1, 999, "new", unit_vector(1, 128))
    states = applied([[event]], tight, states=states)
    assert (len(states.own_item), len(states.ring_key)) == (5, 4)
    assert states.scenario_names == ("(other)", "new")
    assert states.scenario_life.sum() == states.n_events[0] == 21


@moderate
@given(st.integers(1, len(PACKED) - 1))
def test_a_state_cut_short_is_refused(length: int) -> None:
    """No prefix is taken for a state."""
    with pytest.raises(StateFormatError, match="cut short"):
        unpack_states([PACKED[:length]], DEFAULT)


@moderate
@given(st.one_of(st.integers(0, 8 * PREFIX - 1), st.integers(0, 8 * len(PACKED) - 1)))
def test_a_state_with_a_flipped_bit_is_refused(bit: int) -> None:
    """Neither head nor body can be damaged unseen."""
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StateFormatError):
        unpack_states([PACKED, bytes(damaged)], DEFAULT)


@moderate
@given(st.binary(min_size=1, max_size=300))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    """Garbage is an error, not a state and not a crash."""
    for blob in (content, b"DLIS" + content, PACKED[:PREFIX] + content, PACKED + content):
        with pytest.raises(StateFormatError):
            unpack_states([blob], DEFAULT)


def test_an_error_says_which_row_and_how_to_mend_it() -> None:
    """The message names the row, never a user, and what to do."""
    with pytest.raises(StateFormatError, match=r"row 2 .*replay the log into a new store"):
        unpack_states([PACKED, None, PACKED[:-1]], DEFAULT)


def test_another_version_is_named() -> None:
    """A state of a later release says so before anything else is looked at."""
    later = PACKED[:4] + struct.pack("<I", 9) + PACKED[8:]
    with pytest.raises(StateTooNew, match="version 9, this release reads 3 and older") as refused:
        unpack_states([later, PACKED, PACKED[:-1], later], DEFAULT)
    assert refused.value.rows == (0, 3)


def test_every_refused_row_is_named() -> None:
    """A caller that sets damaged states aside learns of all of them at once, whatever is wrong with each."""
    flipped = PACKED[:-1] + bytes([PACKED[-1] ^ 1])
    blobs = [PACKED[:-1], PACKED, b"no state", None, flipped, b"x", PACKED[:4] + bytes(4) + PACKED[8:]]
    with pytest.raises(StateFormatError, match=r"row 0 \(of 5 refused\)") as refused:
        unpack_states(blobs, DEFAULT)
    assert refused.value.rows == (0, 2, 4, 5, 6)
    kept = [blob if row not in refused.value.rows else None for row, blob in enumerate(blobs)]
    assert unpack_states(kept, DEFAULT).n_events.tolist() == [0, 20, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "config",
    [
        InterestConfig(dim=64),
        InterestConfig(dim=2048),
        InterestConfig(half_lives_s=(60.0, 3600.0, 86400.0)),
        InterestConfig(half_lives_s=(3600.0, 86400.0)),
        InterestConfig(purchase_weight=5.0),
    ],
)
def test_other_settings_are_refused(config: InterestConfig) -> None:
    """A state can't be read with settings under which its numbers mean something else."""
    with pytest.raises(StateSettingsMismatch, match="other settings") as refused:
        unpack_states([None, PACKED, PACKED[:-1]], config)
    assert refused.value.rows == (1,)


def rewritten(blob: bytes, start: int, old: int, new: bytes) -> bytes:
    """A state with other bytes in the place of `old` ones, and the checksum that belongs to them."""
    body = (blob[:start] + new + blob[start + old :])[PREFIX:]
    return blob[: PREFIX - 8] + xxh3_64_intdigest(body).to_bytes(8, "little") + body


def with_size(blob: bytes, record: str, size: int) -> bytes:
    """A state whose head says another size of a record."""
    kind, offset = SIZES.fields[record][:2]
    return rewritten(blob, PREFIX + offset, kind.itemsize, np.array(size, kind).tobytes())


def test_fields_and_sections_of_a_later_release_are_skipped() -> None:
    """Longer records and what follows the names don't stand in the way of what is known."""
    layout, life = StateLayout(SMALL), shopper(5, 2, SMALL)
    blob = pack_states(life, SMALL)[0]
    start = PREFIX + layout.head.itemsize + 2 * layout.slot.itemsize
    own = [blob[start + n * layout.own.itemsize :][: layout.own.itemsize] for n in range(5)]
    longer = b"".join(row + b"impressions!" for row in own)
    blob = rewritten(blob, start, len(longer) - 60, longer)
    blob = with_size(blob, "own_bytes", layout.own.itemsize + 12)
    more = PREFIX + layout.head.fields["more"][1]
    blob = rewritten(blob + b"a new section", more, 4, (13).to_bytes(4, "little"))
    back = unpack_states([blob, pack_states(life, SMALL)[0], None], SMALL)
    for row in (0, 1):
        assert max_relative_error(take_users(back, np.array([row])), life) < 1e-9


def test_fields_that_an_older_record_has_not_got_are_zero() -> None:
    """A release that adds a field reads what was written before it."""
    layout, life = StateLayout(SMALL), shopper(1, 1, SMALL)
    blob = pack_states(life, SMALL)[0]
    start = PREFIX + layout.head.itemsize + layout.slot.itemsize
    # Without the slot, which is the last field.
    blob = rewritten(blob, start + layout.own.itemsize - 1, 1, b"")
    back = unpack_states([with_size(blob, "own_bytes", layout.own.itemsize - 1)], SMALL)
    assert max_relative_error(back, life) < 1e-9


def test_states_that_know_fewer_actions_are_read() -> None:
    """Counts of actions that came later are zero; states that know more actions belong to other settings."""
    life = shopper(3, 1, SMALL)
    blob, old, new = pack_states(life, SMALL)[0], StateLayout(SMALL, 1), StateLayout(SMALL)
    slot = np.frombuffer(blob, new.slot, 1, PREFIX + new.head.itemsize)
    fewer = np.zeros(1, old.slot)
    for name in old.slot.names:
        fewer[name] = slot[name][..., :1] if name in ("counts", "life") else slot[name]
    blob = rewritten(blob, PREFIX + new.head.itemsize, new.slot.itemsize, fewer.tobytes())
    back = unpack_states([with_size(with_size(blob, "slot_bytes", old.slot.itemsize), "actions", 1)], SMALL)
    assert back.scenario_life.tolist() == [[1, 0, 0]]
    assert back.scenario_counts.shape == life.scenario_counts.shape
    with pytest.raises(StateSettingsMismatch):
        unpack_states([with_size(pack_states(life, SMALL)[0], "actions", 4)], SMALL)


def test_a_state_that_contradicts_itself_is_refused() -> None:
    """Also where its checksum is right."""
    blob = pack_states(shopper(3, 1, SMALL), SMALL)[0]
    for record in ("head_bytes", "slot_bytes", "own_bytes", "ring_bytes"):
        for size in (0, 1, 60_000):
            with pytest.raises(StateFormatError, match="cut short or damaged"):
                unpack_states([with_size(blob, record, size)], SMALL)


def test_states_of_another_shape_do_not_pack() -> None:
    """States and settings that don't belong together are a mistake of the caller."""
    with pytest.raises(ValueError, match="don't fit the settings"):
        pack_states(shopper(), InterestConfig(dim=64))


def test_a_name_too_long_for_the_format_does_not_pack() -> None:
    """Nothing is cut silently."""
    life = Life(SMALL)
    life.act("x" * 65536, 1.0)
    with pytest.raises(ValueError, match="65535 bytes"):
        pack_states(life.states, SMALL)
