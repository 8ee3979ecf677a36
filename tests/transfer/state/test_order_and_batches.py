"""The state doesn't depend on the order of events, nor on how they are split in batches."""

import dataclasses
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event, max_relative_error, terms_of
from support.data.interest_events import SMALL, applied, event_lists, unit_vector
from transfer.config import InterestConfig
from transfer.state.decay import decay
from transfer.state.states import InterestStates, empty_states, take_users
from transfer.state.update import apply_events, merge_states

TOLERANCE = 1e-5
moderate = settings(deadline=None, max_examples=40)


def bits(states: InterestStates) -> dict[str, object]:
    """All of the states, as bytes."""
    return {
        field.name: value.tobytes() if isinstance(value := getattr(states, field.name), np.ndarray) else value
        for field in dataclasses.fields(states)
    }


def chunks(events: list[Event], cuts: list[int]) -> list[list[Event]]:
    """Events split at the given places."""
    bounds = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    return [events[start:end] for start, end in pairwise(bounds)]


@moderate
@given(event_lists(), st.randoms(use_true_random=False))
def test_a_permuted_batch_gives_the_same_bits(events, random) -> None:
    """The same batch in any order gives exactly the same state."""
    shuffled = random.sample(events, len(events))
    assert bits(applied([shuffled], SMALL)) == bits(applied([events], SMALL))


@moderate
@given(event_lists(), st.randoms(use_true_random=False), st.lists(st.integers(0, 40), max_size=6))
def test_late_events_in_any_batches_give_the_same_state(events, random, cuts: list[int]) -> None:
    """Events shuffled, so that many come late, and split anywhere, give the same state."""
    shuffled = random.sample(events, len(events))
    assert max_relative_error(applied(chunks(shuffled, cuts), SMALL), applied([events], SMALL)) < TOLERANCE


@moderate
@given(event_lists(max_size=25), st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=6))
def test_a_repeated_event_is_applied_once(events, random, cuts: list[int]) -> None:
    """Every event twice, in any order and any batches, is every event once."""
    twice = random.sample(events * 2, len(events) * 2)
    states, count = empty_states(3, SMALL), 0
    for batch in chunks(twice, cuts):
        states, flags = apply_events(states, terms_of(batch, SMALL.dim), SMALL)
        count += int(flags.sum())
    assert count == len(events)
    assert max_relative_error(states, applied([events], SMALL)) < TOLERANCE


def test_a_repeat_within_a_batch_is_left_out_after_the_first() -> None:
    """Of equal keys the first of the batch counts; equal keys of different users are different events."""
    event = Event(0, 5.0, 7, 1, 3, "books", unit_vector(1, SMALL.dim))
    other_user = dataclasses.replace(event, user=1)
    changed = dataclasses.replace(event, time=9.0)
    terms = terms_of([event, other_user, changed, event], SMALL.dim)
    states, flags = apply_events(empty_states(2, SMALL), terms, SMALL)
    assert flags.tolist() == [True, True, False, False]
    assert states.t_ref.tolist() == [5.0, 5.0]


def test_a_repeat_older_than_a_full_ring_is_no_longer_seen() -> None:
    """The window for duplicates is the ring: an event that left it, sent again, counts again."""
    config = SMALL.model_copy(update={"ring": 4})
    events = [Event(0, 10.0 * n, n + 1, 1, 3, "books", unit_vector(n, SMALL.dim)) for n in range(5)]
    states = applied([events], config, users=1)
    assert states.ring_key.tolist() == [2, 3, 4, 5]
    _, flags = apply_events(states, terms_of(events, SMALL.dim), config)
    assert flags.tolist() == [True, False, False, False, False]


@moderate
@given(event_lists(), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_states_of_disjoint_logs_merge_in_any_order_and_grouping(events, log: list[int]) -> None:
    """Parts of a log aggregated apart join to the state of the whole, whatever joins whatever first."""
    a, b, c = (
        applied([[event for event, part in zip(events, log, strict=False) if part == wanted]], SMALL)
        for wanted in range(3)
    )
    whole = applied([events], SMALL)
    assert bits(merge_states(a, b, SMALL)) == bits(merge_states(b, a, SMALL))
    for joined in (
        merge_states(merge_states(a, b, SMALL), c, SMALL),
        merge_states(a, merge_states(c, b, SMALL), SMALL),
    ):
        assert max_relative_error(joined, whole) < TOLERANCE


@moderate
@given(event_lists())
def test_merging_with_nothing_changes_nothing(events: list[Event]) -> None:
    """Empty states are the neutral element, to the bit."""
    states = applied([events], SMALL)
    assert bits(merge_states(states, empty_states(3, SMALL), SMALL)) == bits(states)
    assert bits(merge_states(empty_states(3, SMALL), states, SMALL)) == bits(states)
    assert bits(applied([[]], SMALL, states=states)) == bits(states)


def test_an_event_in_two_merged_rings_is_kept_once() -> None:
    """The same key on both sides stays once in the ring, at its later time."""
    early = Event(0, 5.0, 7, 1, 3, "books", unit_vector(1, SMALL.dim))
    late = dataclasses.replace(early, time=9.0)
    between = dataclasses.replace(early, key=8, time=6.0)
    a, b = applied([[early, between]], SMALL, users=1), applied([[late]], SMALL, users=1)
    for states in (merge_states(a, b, SMALL), merge_states(b, a, SMALL)):
        assert states.ring_key.tolist() == [8, 7]
        assert states.ring_time.tolist() == [6.0, 9.0]


@moderate
@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_decay_composes(first: float, second: float) -> None:
    """Forgetting for a time and then another is forgetting for their sum."""
    lives = SMALL.half_lives
    once = decay(np.array([first + second]), lives)
    twice = decay(np.array([first]), lives) * decay(np.array([second]), lives)
    np.testing.assert_allclose(twice, once, rtol=1e-6, atol=1e-250)


@moderate
@given(event_lists(), st.lists(st.integers(0, 2), max_size=5))
def test_users_taken_apart_are_as_if_alone(events: list[Event], rows: list[int]) -> None:
    """A user's state is the same in any company."""
    chosen = take_users(applied([events], SMALL), np.array(rows, np.int64))
    for position, user in enumerate(rows):
        alone = [dataclasses.replace(event, user=0) for event in events if event.user == user]
        assert bits(take_users(chosen, np.array([position]))) == bits(applied([alone], SMALL, users=1))


@moderate
@given(event_lists())
def test_the_longest_global_sum_is_the_sum_of_the_slots(events: list[Event]) -> None:
    """What isn't stored follows from what is: checked against the sum over the events."""
    states = applied([events], SMALL)
    for user in range(3):
        mine = [event for event in events if event.user == user]
        expected = sum(
            SMALL.action_weights[event.action]
            * 0.5 ** ((states.t_ref[user] - event.time) / SMALL.half_lives[-1])
            * np.array(event.vector)
            for event in mine
        )
        np.testing.assert_allclose(states.global_sum(-1)[user], expected + np.zeros(SMALL.dim), atol=1e-4)


def test_times_of_any_distance_stay_finite() -> None:
    """Events of the year 1 and of the far future in one user give numbers, without warnings."""
    vector = unit_vector(0, 128)
    events = [Event(0, t, n + 1, 1, n, "s", vector) for n, t in enumerate([-6e10, 0.0, 1e12, 1e300])]
    config = InterestConfig()
    with np.errstate(all="raise"):
        states = applied([[event] for event in events], config, users=1)
        assert max_relative_error(states, applied([events], config, users=1)) < TOLERANCE
    assert states.own_masses().sum() == 3.0
