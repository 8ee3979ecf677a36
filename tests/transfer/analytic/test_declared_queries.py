"""What users declare in the analytic vectors: worth so many events, and all there is of a user without any."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event
from support.data.interest_events import applied, unit_vector
from transfer.analytic.declared import with_declared
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig, TransferConfig
from transfer.state.declared import Declaration, declare
from transfer.state.states import InterestStates, empty_states

INTEREST = InterestConfig(dim=24)
SAID = np.array(unit_vector(99, 24), np.float32)
OTHER = np.array(unit_vector(98, 24), np.float32)


def life(events: int, scenarios: int = 2) -> InterestStates:
    each = [
        Event(0, 1.7e9 + n, n + 1, 1, n % 5 + 1, f"s{n % scenarios}", unit_vector(n % 5, 24))
        for n in range(events)
    ]
    return applied([each], INTEREST, users=1)


def saying(states: InterestStates, **texts: np.ndarray) -> InterestStates:
    """A text a scenario; `everywhere` is of all."""
    said = [Declaration(1.0, "" if name == "everywhere" else name, name) for name in texts]
    declared, _ = declare(states.declared, [said], [np.array(list(texts.values()), np.float32)])
    return replace(states, declared=declared)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.one_of(st.just(0.0), st.floats(0.01, 50)))
def test_it_is_worth_so_many_events(events: int, worth: float) -> None:
    """unit(m q + c d), m the user's mass; with c = 0, and where nobody declares anything, the vectors are what they were."""
    model = AnalyticTransfer(INTEREST, TransferConfig(declared=worth))
    states = life(events)
    told = saying(states, everywhere=SAID)
    plain, found = model(states).fused[0].astype(np.float64), model(told).fused[0]
    mass = states.masses(INTEREST.action_weights)[:, -1].sum()
    expected = mass * plain * (events > 0) + worth * SAID
    if not events and not worth:
        expected = plain
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_array_equal(model(states).fused, AnalyticTransfer(INTEREST)(states).fused)


def test_without_events_the_texts_alone_speak() -> None:
    """In every scenario: its own text, else that of all, else all of them."""
    model = AnalyticTransfer(INTEREST)
    cold = saying(empty_states(1, INTEREST), everywhere=SAID, games=OTHER)
    np.testing.assert_allclose(model.scenario_query(cold, 0, "games"), OTHER, atol=1e-6)
    np.testing.assert_allclose(model.scenario_query(cold, 0, "books"), SAID, atol=1e-6)
    both = (SAID + OTHER) / np.linalg.norm(SAID + OTHER)
    np.testing.assert_allclose(model(cold).fused[0], both, atol=1e-6)
    assert len(model(cold).interests) == 0


def test_a_scenarios_own_text_speaks_there_more_than_elsewhere() -> None:
    """Beside the events of the scenario and what it borrows; a user of many events there is hardly moved."""
    model = AnalyticTransfer(INTEREST)
    for events, least in ((20, 0.05), (400, 0.0)):
        states = life(events)
        told = saying(states, s0=SAID)
        plain = model.scenario_query(states, 0, "s0") @ SAID
        here, there = (model.scenario_query(told, 0, name) @ SAID for name in ("s0", "s1"))
        assert here > there + least and min(here, there) > plain
        fusion = model(told)
        for row, name in enumerate(told.slot_names(0)):
            query = model.scenario_query(told, 0, name)
            assert max(fusion.interests @ query) == pytest.approx(1.0, abs=1e-5), row


def test_what_cancels_is_left_as_it_was_done() -> None:
    """A text against the very opposite of equal weight is no vector of length 0."""
    query = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = with_declared(query.copy(), np.array([5.0, 5.0]), np.array([[-1.0, 0.0], [0.0, 0.0]]), 5.0)
    np.testing.assert_array_equal(found, query)
