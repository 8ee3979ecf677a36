"""Batch = one by one = the readable reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event, max_relative_error, reference_states, terms_of
from support.data.interest_events import SMALL, applied, event_lists, unit_vector
from transfer.config import InterestConfig
from transfer.state.states import empty_states
from transfer.state.update import apply_events

TOLERANCE = 1e-5


@settings(deadline=None, max_examples=50)
@given(event_lists())
def test_a_batch_gives_the_state_of_the_reference(events: list[Event]) -> None:
    """A whole batch at once is the same state as its events one at a time in plain code."""
    expected, _ = reference_states(events, 3, SMALL)
    assert max_relative_error(applied([events], SMALL), expected) < TOLERANCE


@settings(deadline=None, max_examples=25)
@given(event_lists(max_size=25))
def test_one_by_one_gives_the_state_of_the_reference(events: list[Event]) -> None:
    """Events in batches of one give the same state as the plain code."""
    expected, _ = reference_states(events, 3, SMALL)
    assert max_relative_error(applied([[event] for event in events], SMALL), expected) < TOLERANCE


@settings(deadline=None, max_examples=40)
@given(event_lists(max_size=25), st.randoms(use_true_random=False), st.integers(1, 5))
def test_the_same_events_are_applied_as_in_the_reference(events, random, ring: int) -> None:
    """Also with a short ring and repeats, one at a time, the same events count as duplicates."""
    config = SMALL.model_copy(update={"ring": ring})
    events = events + [random.choice(events) for _ in range(len(events))] if events else events
    expected, flags = reference_states(events, 3, config)
    states = empty_states(3, config)
    got = []
    for event in events:
        states, flag = apply_events(states, terms_of([event], config.dim), config)
        got += flag.tolist()
    assert got == flags
    assert max_relative_error(states, expected) < TOLERANCE


@settings(deadline=None, max_examples=40)
@given(event_lists(max_size=25), st.integers(1, 4), st.integers(1, 4))
def test_caps_act_one_event_at_a_time_as_in_the_reference(
    events: list[Event], scenarios: int, items: int
) -> None:
    """Above the caps the same scenarios fold and the same items go as in the plain code."""
    # Times apart, so that masses differ by more than rounding.
    events = [
        Event(e.user, 1.7e9 + 3600.0 * n**1.5, e.key, e.action, e.item, e.scenario, e.vector)
        for n, e in enumerate(events)
    ]
    config = SMALL.model_copy(update={"max_scenarios": scenarios, "own_items": items})
    expected, _ = reference_states(events, 3, config)
    assert max_relative_error(applied([[event] for event in events], config), expected) < TOLERANCE


@pytest.mark.parametrize("split", [1, 7])
def test_a_long_log_at_full_size_gives_the_state_of_the_reference(split: int) -> None:
    """The default settings, hundreds of events a user over months, in one batch or several."""
    config, rng = InterestConfig(own_items=1000), np.random.default_rng(5)
    vectors = [unit_vector(seed, config.dim) for seed in range(40)]
    events = [
        Event(
            user=int(rng.integers(4)),
            time=1.7e9 + float(rng.uniform(0, 100 * 86400)),
            key=int(rng.integers(1, 2**63)),
            action=int(rng.integers(3)),
            item=int(rng.integers(300)),
            scenario=f"s{rng.integers(12)}",
            vector=vectors[rng.integers(40)],
        )
        for _ in range(1500)
    ]
    expected, _ = reference_states(events, 4, config)
    batches = [events[start::split] for start in range(split)]
    assert max_relative_error(applied(batches, config, users=4), expected) < TOLERANCE
