"""What speaks against items and what was shown: apart from what a user did, exact, bounded, packed and read again."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event, max_relative_error, reference_states, terms_of
from support.data.interest_events import applied, unit_vector
from transfer.config import InterestConfig
from transfer.errors import StateFormatError, StateSettingsMismatch
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import empty_states, stack, take_users
from transfer.state.update import apply_events, merge_states

ACTIONS = {"hide": -1.0, "shown": 0.0, "like": 2.0, "return": -3.0}
OPEN = InterestConfig(
    dim=6, half_lives_s=(600.0, 86400.0, 2592000.0), own_items=20, ring=12, actions=ACTIONS, hidden_items=200
)
TIGHT = OPEN.model_copy(update={"hidden_items": 7, "shown_items": 6, "own_items": 8, "max_scenarios": 4})
WEIGHED = TIGHT.model_copy(update={"weigh": InterestConfig(weigh={"click": "value"}).weigh})
TOLERANCE = 1e-7


def life(seed: int, events: int, users: int = 2, weighed: bool = False) -> list[Event]:
    """Events of all kinds, in order but for a fifth of them, items far above every cap of `TIGHT`."""
    rng = np.random.default_rng(seed)
    times = np.sort(1.7e9 + np.round(rng.uniform(0, 60 * 86400, events)))
    late = rng.random(events) < 0.2
    times[late] -= np.round(rng.uniform(0, 20 * 86400, late.sum()))
    return [
        Event(
            user=int(rng.integers(users)),
            time=float(times[n]),
            key=(n + 1) * 0x9E3779B97F4A7C15 % 2**64,
            action=int(rng.integers(7)),
            item=int(rng.integers(40)),
            scenario=f"s{rng.integers(9)}",
            vector=unit_vector(int(rng.integers(40)), 6),
            weight=float(rng.choice([0.25, 1.0, 1.7, 4.0])) if weighed else 1.0,
        )
        for n in range(events)
    ]


def acts(events: list[Event]) -> list[Event]:
    """Those of weights above 0."""
    return [event for event in events if OPEN.action_weights[event.action] > 0]


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
@pytest.mark.parametrize("config", [OPEN, TIGHT, WEIGHED], ids=["wide", "far above every cap", "weighed"])
def test_any_batches_give_the_state_of_one_event_at_a_time(config: InterestConfig, size: int) -> None:
    """Acts, hides and impressions together, packed and read after each batch: the plain code's state, within 1e-7."""
    events = life(1, 400, weighed=bool(config.weigh))
    expected, told = reference_states(events, 2, config)
    assert all(told)
    states = empty_states(2, config)
    for start in range(0, len(events), size):
        states = applied([events[start : start + size]], config, states=states)
        states = unpack_states(pack_states(states, config), config)
    assert max_relative_error(states, expected) < TOLERANCE
    assert states.aside is not None and expected.aside is not None
    if config is TIGHT:
        assert np.diff(states.aside.hidden.offsets).tolist() == [7, 7]
        assert np.diff(states.aside.shown.offsets).max() <= config.most_shown


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False), st.integers(1, 60))
def test_any_order_and_any_duplicates_give_the_same_sum_and_the_same_hides(
    seed: int, random, size: int
) -> None:
    """Shuffled and each event against an item twice: sums, times and what is hidden are the same."""
    events = [event for event in life(seed, 120) if OPEN.action_weights[event.action] != 0]
    shuffled = random.sample(events, len(events))
    twice = [event for start in range(0, len(shuffled), size) for event in shuffled[start : start + size] * 2]
    one = applied([events], OPEN, users=2)
    other = applied([twice[start : start + size] for start in range(0, len(twice), size)], OPEN, users=2)
    assert one.aside is not None and other.aside is not None
    np.testing.assert_array_equal(one.aside.n_against, other.aside.n_against)
    np.testing.assert_array_equal(one.aside.t_against, other.aside.t_against)
    np.testing.assert_allclose(one.aside.sums, other.aside.sums, atol=1e-9)
    np.testing.assert_allclose(one.aside.mass, other.aside.mass, atol=1e-9)
    for name in ("offsets", "key", "time", "item", "action"):
        np.testing.assert_array_equal(getattr(one.aside.hidden, name), getattr(other.aside.hidden, name))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_logs_that_share_no_event_merge(seed: int) -> None:
    """In either order, to the state of both logs; the lists are capped at the end, too."""
    events = life(seed, 160)
    whole = applied([events], OPEN, users=2)
    a, b = applied([events[::2]], OPEN, users=2), applied([events[1::2]], OPEN, users=2)
    for merged in (merge_states(a, b, OPEN), merge_states(b, a, OPEN)):
        assert merged.aside is not None and whole.aside is not None
        np.testing.assert_allclose(merged.aside.sums, whole.aside.sums, atol=1e-9)
        np.testing.assert_array_equal(merged.aside.hidden.key, whole.aside.hidden.key)
        np.testing.assert_array_equal(merged.aside.shown.number, whole.aside.shown.number)
        np.testing.assert_allclose(merged.aside.shown.count, whole.aside.shown.count, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 50))
def test_what_a_user_did_is_the_same_to_the_bit_with_and_without_hides_and_impressions(
    seed: int, size: int
) -> None:
    """Sums, counts, times, number of events, own items and ring: none of them knows of an event of a weight of 0 or below."""
    events = life(seed, 150)
    with_all = applied([events], TIGHT, users=2)
    alone = applied([acts(events)], TIGHT, users=2)
    assert with_all.aside is not None and alone.aside is None
    for field in dataclasses.fields(alone):
        if field.name not in ("aside", "scenario_names"):
            np.testing.assert_array_equal(
                getattr(with_all, field.name), getattr(alone, field.name), err_msg=field.name
            )
    assert with_all.scenario_names == alone.scenario_names


def test_a_user_of_hides_alone_is_a_user() -> None:
    """Packed and read, taken and stacked with others; no act, and a latest time."""
    events = [event for event in life(3, 60, users=1) if OPEN.action_weights[event.action] < 0]
    states = applied([events], OPEN, users=1)
    (packed,) = pack_states(states, OPEN)
    again = unpack_states([packed, b""], OPEN)
    assert again.n_events.tolist() == [0, 0] and again.aside is not None
    assert again.aside.n_against.tolist() == [len(events), 0]
    assert again.latest().tolist() == [max(event.time for event in events), -np.inf]
    both = stack([again, empty_states(1, OPEN)])
    assert take_users(both, np.array([2, 1])).aside is None
    assert max_relative_error(take_users(both, np.array([0])), states) < TOLERANCE


def test_without_further_actions_a_state_is_packed_as_before() -> None:
    """Three actions, no section behind the names: what earlier releases wrote, and read."""
    config = InterestConfig(dim=6)
    states = applied([acts(life(4, 50))[:0], [e for e in life(4, 50) if e.action < 3]], config, users=2)
    other = config.model_copy(update={"actions": ACTIONS})
    plain, more = (
        pack_states(states, config),
        pack_states(unpack_states(pack_states(states, config), other), other),
    )
    assert [len(one) for one in plain] != [len(one) for one in more]
    read = unpack_states(plain, other)
    np.testing.assert_allclose(read.scenario_counts[:, :, :3], states.scenario_counts, atol=1e-9)
    assert not read.scenario_counts[:, :, 3:].any()


def test_an_impression_that_comes_twice_counts_twice_and_without_an_item_not_at_all() -> None:
    """Impressions are in no ring: that one is delivered again is for the watermarks to know."""
    one = Event(0, 1.7e9, 5, 4, 9, "s", unit_vector(1, 6))
    text = dataclasses.replace(one, item=0, key=6)
    states, told = apply_events(empty_states(1, OPEN), terms_of([one, one, text], 6), OPEN)
    assert told.all() and states.aside is not None
    assert states.aside.shown.item.tolist() == [9] and states.aside.shown.number.tolist() == [2]


def test_a_state_with_actions_that_were_added_since_is_no_state_of_this_process() -> None:
    """Refused as made with other settings, which ends a daemon and rejects nothing; one with fewer actions is read."""
    more = OPEN.model_copy(update={"actions": {**ACTIONS, "new": 1.0}})
    events = [event for event in life(5, 30) if event.action < 3]
    packed = pack_states(applied([events], more, users=2), more)
    with pytest.raises(
        StateSettingsMismatch, match=r"with 8 actions, and 7 are known here: .* start again"
    ) as found:
        unpack_states(packed, OPEN)
    assert found.value.rows == (0, 1)
    assert unpack_states(pack_states(applied([events], OPEN, users=2), OPEN), more).n_events.sum() == len(
        events
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.integers(1, 255))
def test_damage_behind_the_names_is_found(place: int, change: int) -> None:
    """Whatever byte of the sections is another one, the state is refused, not misread."""
    (packed,) = pack_states(applied([life(6, 60, users=1)], OPEN, users=1), OPEN)
    at = len(packed) - 1 - place % (len(packed) // 2)
    damaged = packed[:at] + bytes([packed[at] ^ change]) + packed[at + 1 :]
    with pytest.raises(StateFormatError):
        unpack_states([damaged], OPEN)
