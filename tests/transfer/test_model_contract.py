"""What every transfer model promises; a new model joins the list of cases."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

from support.checks.reference_state import Event
from support.data.interest_events import SMALL, applied, event_lists
from support.fakes.learned import random_model
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig
from transfer.protocols import Fusion, TransferModel
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states, take_users

MODELS: dict[str, Callable[[InterestConfig], TransferModel]] = {
    "analytic": AnalyticTransfer,
    "learned": random_model,
    "learned, no slots": lambda config: random_model(config, use_slots=False),
    "learned, no ring": lambda config: random_model(config, use_ring=False),
}
moderate = settings(deadline=None, max_examples=40)


@pytest.fixture(params=list(MODELS), scope="module")
def model(request: pytest.FixtureRequest) -> TransferModel:
    """The model under contract."""
    return MODELS[request.param](SMALL)


def check(fusion: Fusion, states: InterestStates) -> None:
    """Shapes, types, unit vectors, weights that sum to 1."""
    users, slots = states.users, len(states.scenario_code)
    assert fusion.fused.shape == (users, SMALL.dim)
    for column in (fusion.weights, fusion.emergence, fusion.mass):
        assert column.shape == (slots,) and column.dtype == np.float32 and np.isfinite(column).all()
    assert fusion.interests.shape == (fusion.interest_offsets[-1], SMALL.dim)
    assert len(fusion.interest_offsets) == users + 1
    sizes = np.diff(fusion.interest_offsets)
    assert ((sizes >= 1) & (sizes <= 4))[states.n_events > 0].all()
    for vectors in (fusion.fused, fusion.interests):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    sums = np.bincount(states.slot_users(), fusion.weights, minlength=users)
    np.testing.assert_allclose(sums[states.n_events > 0], 1.0, atol=1e-5)


@moderate
@given(events=event_lists())
def test_every_answer_is_finite_and_of_unit_length(model: TransferModel, events: list[Event]) -> None:
    """Any states give unit vectors and weights that sum to 1, users without events included."""
    states = applied([events], SMALL, users=4)
    check(model(states), states)


@moderate
@given(events=event_lists())
def test_a_batch_of_users_is_each_user_alone(model: TransferModel, events: list[Event]) -> None:
    """A user's fusion doesn't depend on who else is asked for, nor on having been packed."""
    states = applied([events], SMALL)
    whole = model(unpack_states(pack_states(states, SMALL), SMALL))
    for row in range(3):
        alone = model(take_users(states, np.array([row])))
        slots = slice(*states.scenario_offsets[row : row + 2])
        interests = slice(*whole.interest_offsets[row : row + 2])
        np.testing.assert_allclose(whole.fused[row], alone.fused[0], atol=1e-5)
        np.testing.assert_allclose(whole.weights[slots], alone.weights, atol=1e-5)
        np.testing.assert_allclose(whole.interests[interests], alone.interests, atol=1e-5)


@moderate
@given(events=event_lists())
def test_a_scenario_never_visited_is_asked_for_with_the_global_interest(
    model: TransferModel, events: list[Event]
) -> None:
    """Without a slot the query is a unit vector, and without a name's vector the same for every name."""
    states = applied([events], SMALL)
    for row in range(3):
        query = model.scenario_query(states, row, "never visited")
        if isinstance(model, AnalyticTransfer):
            np.testing.assert_array_equal(query, model.scenario_query(states, row, "nor this"))
        assert query.shape == (SMALL.dim,) and query.dtype == np.float32
        assert np.linalg.norm(query) == pytest.approx(1.0, abs=1e-5)
        for name in states.slot_names(row):
            assert np.linalg.norm(model.scenario_query(states, row, name)) == pytest.approx(1.0, abs=1e-5)


def test_no_users_are_fine(model: TransferModel) -> None:
    """An empty batch gives empty arrays."""
    check(model(empty_states(0, SMALL)), empty_states(0, SMALL))


def test_the_fingerprint_is_short_text(model: TransferModel) -> None:
    """It goes into names and manifests."""
    assert 0 < len(model.fingerprint) < 64
