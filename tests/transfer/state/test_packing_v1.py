"""States that an older release wrote are read, and written again by the next event; the golden ones were made by 4b5dc9a."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from support.checks.reference_state import Event, max_relative_error
from support.data.interest_events import applied
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig
from transfer.errors import StateFormatError
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, take_users

GOLDEN = json.loads((Path(__file__).parent / "golden" / "states_v1.json").read_text())
CONFIG = InterestConfig(**{**GOLDEN["config"], "half_lives_s": tuple(GOLDEN["config"]["half_lives_s"])})
PACKED = [base64.b64decode(text) for text in GOLDEN["packed"]]
EVENTS = [Event(*row[:6], tuple(row[6])) for row in GOLDEN["events"]]
READ = unpack_states(PACKED, CONFIG)


def took(states: InterestStates, row: int) -> InterestStates:
    """One user."""
    return take_users(states, np.array([row]))


def from_events() -> InterestStates:
    """What this release makes of the same events."""
    return applied([[event] for event in EVENTS], CONFIG)


@pytest.mark.parametrize(
    "name",
    [
        "t_ref",
        "n_events",
        "scenario_code",
        "scenario_offsets",
        "scenario_first",
        "scenario_last",
        "own_item",
        "own_count",
    ]
    + ["ring_key", "global_sums", "scenario_sums", "scenario_counts"],
)
def test_what_was_stored_is_read_as_it_was(name: str) -> None:
    """Times, keys, counts and sums of the old release."""
    np.testing.assert_array_equal(getattr(READ, name), np.array(GOLDEN["states"][name]))
    assert list(READ.scenario_names) == GOLDEN["states"]["scenario_names"]


def test_own_masses_are_what_they_were() -> None:
    """The old release kept them as of the user's latest event."""
    np.testing.assert_allclose(READ.own_masses(), GOLDEN["states"]["own_mass"], rtol=1e-5, atol=1e-6)


def test_events_since_ever_sum_to_the_users_events() -> None:
    """They are spread over the slots by what is known of each: exact where the ring holds all, near where not."""
    life = np.add.reduceat(READ.scenario_life.sum(axis=1), READ.scenario_offsets[:-1])
    assert life.tolist() == READ.n_events.tolist() == [4, 60, 17]
    exact = from_events()
    np.testing.assert_array_equal(took(READ, 0).scenario_life, took(exact, 0).scenario_life)
    share = READ.scenario_life.sum(axis=1) / np.repeat(READ.n_events, np.diff(READ.scenario_offsets))
    true = exact.scenario_life.sum(axis=1) / np.repeat(exact.n_events, np.diff(exact.scenario_offsets))
    assert np.abs(share - true).max() < 0.2, (share, true)


def test_the_time_before_the_ring_is_right_where_the_state_tells_it() -> None:
    """Never later than the first event in the ring, and after a pause that the own items saw the true one."""
    exact = from_events()
    known = np.isfinite(exact.scenario_before)
    np.testing.assert_array_equal(np.isfinite(READ.scenario_before), known)
    # User 2 came back to the garden: its last event there before was on the fifth of its own items.
    garden = READ.scenario_offsets[2] + READ.slot_names(2).index("garden")
    assert READ.scenario_before[garden] == exact.scenario_before[garden] == 1.7e9 + 4 * 600.0


def test_fused_vectors_are_near_those_of_the_events() -> None:
    """What had to be derived moves the vector a little."""
    old, new = AnalyticTransfer(CONFIG)(READ).fused, AnalyticTransfer(CONFIG)(from_events()).fused
    assert (old * new).sum(axis=1).min() > 0.99


def test_old_and_new_states_are_read_together_and_written_as_new_ones() -> None:
    """In any order and with users who have none; the next event turns an old state into a new one."""
    new = pack_states(READ, CONFIG)
    assert [blob[4] for blob in PACKED] == [1, 1, 1] and [blob[4] for blob in new] == [2, 2, 2]
    mixed = unpack_states([PACKED[2], None, new[1], PACKED[0]], CONFIG)
    assert max_relative_error(take_users(mixed, np.array([3, 2, 0])), READ) < 1e-9
    assert mixed.n_events.tolist() == [17, 0, 60, 4]
    event = Event(0, 1.8e9, 999, 1, 999, "books", EVENTS[0].vector)
    states = applied([[event]], CONFIG, states=unpack_states(PACKED, CONFIG))
    assert states.n_events.tolist() == [5, 60, 17] and states.scenario_life.sum() == 82


def test_later_events_count_exactly() -> None:
    """Sums after more events are those of all events: only the events since ever stay as they were derived."""
    more = [
        Event(e.user, e.time + 40 * 86400.0, e.key + 1000, e.action, e.item, e.scenario, e.vector)
        for e in EVENTS
    ]
    went_on = applied([more], CONFIG, states=READ)
    exact = applied([[event] for event in EVENTS + more], CONFIG)
    np.testing.assert_allclose(went_on.scenario_sums, exact.scenario_sums, atol=1e-5)
    np.testing.assert_array_equal(went_on.ring_key, exact.ring_key)
    user = took(went_on, 1)
    np.testing.assert_array_equal(user.scenario_before, took(exact, 1).scenario_before)


@pytest.mark.parametrize("at", [5, 17, 30, 100, -1])
def test_a_damaged_old_state_is_refused(at: int) -> None:
    """As new ones are."""
    damaged = bytearray(PACKED[1])
    damaged[at] ^= 64
    with pytest.raises(StateFormatError) as refused:
        unpack_states([PACKED[0], bytes(damaged)], CONFIG)
    assert refused.value.rows == (1,)
