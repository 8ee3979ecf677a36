"""What a user is against is taken from the vector: towards less of it, bounded, and never so much that it turns round."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event
from support.data.interest_events import applied, unit_vector
from support.fakes.learned import random_model
from transfer.analytic.against import directions_against
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig, TransferConfig
from transfer.errors import ModelError
from transfer.learned.vocabulary import reading_of
from transfer.state.emergence import scenario_features
from transfer.state.states import InterestStates, empty_states

INTEREST = InterestConfig(dim=48, actions={"hide": -1.0, "shown": 0.0, "like": 2.0, "return": -50.0})


def life(seed: int, events: int = 60, users: int = 3) -> list[Event]:
    """Events of all kinds; the last user has none of a weight above 0."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(events):
        user = int(rng.integers(users))
        action = int(rng.choice([3, 4, 6])) if user == users - 1 else int(rng.integers(7))
        time = 1.7e9 + float(rng.integers(0, 50 * 86400))
        vector = unit_vector(int(rng.integers(9)), 48)
        found.append(Event(user, time, n + 1, action, int(rng.integers(1, 20)), f"s{n % 3}", vector))
    return found


def without_aside(states: InterestStates) -> InterestStates:
    """The same acts alone."""
    return dataclasses.replace(states, aside=None)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 100_000))
@pytest.mark.parametrize("learned", [False, True])
def test_at_most_its_share_is_taken_and_nothing_turns_round(learned: bool, seed: int) -> None:
    """However much a user was against, unit vectors, none more than the share's angle away; without acts nothing changes."""
    states = applied([life(seed)], INTEREST)
    model = random_model(INTEREST, seed=1) if learned else AnalyticTransfer(INTEREST)
    with_, plain = (
        model(states).fused.astype(np.float64),
        model(without_aside(states)).fused.astype(np.float64),
    )
    np.testing.assert_allclose(np.linalg.norm(with_, axis=1), 1.0, atol=1e-5)
    cosine = (with_ * plain).sum(axis=1)
    share = TransferConfig().against_share
    assert (cosine >= np.sqrt(1 - share**2) - 1e-5).all()
    assert cosine[2] == pytest.approx(1.0, abs=1e-6)


def test_more_against_one_direction_takes_more_of_it() -> None:
    """Similarity to what was hidden falls with each hide, of a weight of its own; an item of another kind loses nothing."""
    acts = [Event(0, 1.7e9 + n, n + 1, 1, n + 1, "s", unit_vector(n % 2, 48)) for n in range(20)]
    hides = [Event(0, 1.7e9 + 100 + n, 100 + n, 3, 1, "s", unit_vector(0, 48)) for n in range(12)]
    against = np.array(unit_vector(0, 48))
    model = AnalyticTransfer(INTEREST)
    likeness = [
        float(model(applied([acts + hides[:count]], INTEREST, users=1)).fused[0] @ against)
        for count in (0, 1, 4, 12)
    ]
    assert likeness == sorted(likeness, reverse=True) and likeness[0] - likeness[-1] > 0.05
    found = model(applied([acts + hides], INTEREST, users=1)).weights
    np.testing.assert_array_equal(found, model(applied([acts], INTEREST, users=1)).weights)


def test_nobody_against_anything_is_none() -> None:
    """Impressions are not against an item."""
    shown = [Event(0, 1.7e9, 1, 4, 3, "s", unit_vector(1, 48))]
    assert directions_against(applied([shown], INTEREST, users=1), INTEREST) is None
    assert directions_against(empty_states(1, INTEREST), INTEREST) is None


def test_a_model_reads_actions_that_it_never_saw_by_their_weight() -> None:
    """As the known action of the nearest weight in counts, and with the weight of the settings in the masses."""
    trained = InterestConfig(dim=48, actions={"like": 2.0})
    now = InterestConfig(
        dim=48, actions={"hide": -1.0, "like": 2.0, "share": 2.8, "shown": 0.0, "glance": 0.1}
    )
    reading = reading_of(now, trained)
    assert reading is not None and reading_of(trained, trained) is None
    assert reading.code.tolist()[3:6] == [0, 3, 2] and reading.code.tolist()[7] == 0
    events = [
        Event(0, 1.7e9 + n, n + 1, action, n + 1, f"s{n % 2}", unit_vector(n, 48))
        for n, action in enumerate([0, 1, 2, 3, 4, 5, 5, 6, 7, 4, 1])
    ]
    states = applied([events], now, users=1)
    read = reading(states)
    np.testing.assert_allclose(
        read.masses(trained.action_weights), states.masses(now.action_weights), atol=1e-12
    )
    assert read.scenario_life.shape[1] == 4 and read.scenario_life.sum() == states.scenario_life.sum()
    features = scenario_features(read, trained, TransferConfig())
    np.testing.assert_allclose(features.mass, scenario_features(states, now, TransferConfig()).mass)
    model = random_model(trained, seed=1)
    model.read_states_of(now)
    fused = model(states).fused
    assert np.isfinite(fused).all()
    with pytest.raises(
        ModelError, match="trained with a weight of 2 for the action 'like', the settings say 1"
    ):
        reading_of(InterestConfig(dim=48, actions={"like": 1.0}), trained)


def test_settings_of_earlier_releases_keep_their_fingerprints() -> None:
    """A store that was made before is opened as it is; what is set differently is told apart."""
    config = TransferConfig()
    assert "against_share" not in config.weights_json()
    assert TransferConfig(against_share=0.5).fingerprint() != config.fingerprint()
    assert (
        TransferConfig.model_validate_json(TransferConfig(against_share=0.5).weights_json()).against_share
        == 0.5
    )
