"""Features of scenarios: what is new stands out, what is steady doesn't, however young or bursty the user."""

import numpy as np
import pytest
from hypothesis import given, settings

from support.checks.reference_state import Event
from support.data.interest_events import SMALL, Life, applied, event_lists
from transfer.config import InterestConfig, TransferConfig
from transfer.state.emergence import ScenarioFeatures, scenario_features
from transfer.state.states import empty_states

DAY_S = 86400.0
HOUR_S = 3600.0


def features(life: Life) -> ScenarioFeatures:
    """Features of the user's slots."""
    return scenario_features(life.states, life.config, TransferConfig())


@pytest.mark.parametrize("pattern", ["ab" * 5, "aaaaabbbbb", "ab", "aaaaaaaaab"])
@pytest.mark.parametrize("gap_s", [0.0, 1.0, 60.0])
def test_a_brand_new_user_shows_no_emergence(pattern: str, gap_s: float) -> None:
    """Within the first minutes nothing is old, so nothing is new."""
    life = Life()
    for n, scenario in enumerate(pattern):
        life.act(scenario, 1.7e9 + gap_s * n)
    assert np.abs(features(life).emergence).max() < 0.05
    assert np.abs(features(life).z).max() < 0.1
    # An age of nothing counts as a minute.
    assert features(life).rate_fast.max() <= len(pattern) / 60.0 * 1.01


@pytest.mark.parametrize("events_a_day", [1, 5, 48, 300])
@pytest.mark.parametrize("seed", range(5))
def test_a_steady_user_shows_no_emergence(events_a_day: int, seed: int) -> None:
    """Random moments with constant shares give no z that a model would trust."""
    life = Life(seed=seed)
    life.mix({"a": 0.7, "b": 0.3}, 0.0, 30 * DAY_S, 30 * events_a_day)
    assert np.abs(features(life).z).max() < 2.5
    assert np.abs(features(life).emergence).max() < 0.8


def test_a_visit_after_a_pause_is_no_emergence() -> None:
    """A user who comes once a day, to all their scenarios, is far above the long-run rate but steady in mix."""
    life = Life()
    for day in range(30):
        for n in range(12):
            life.act("aab"[n % 3], day * DAY_S + 60.0 * n)
    found = features(life)
    assert (found.rate_fast > 10 * found.rate_slow).all()
    assert np.abs(found.emergence).max() < 0.1


def test_a_scenario_just_entered_emerges_and_the_left_one_recedes() -> None:
    """After a long time in one scenario, each event in another raises its emergence and z."""
    life = Life()
    life.mix({"old": 1.0}, 0.0, 30 * DAY_S, 300)
    emergence, z = [], []
    for n in range(6):
        life.act("new", 30 * DAY_S + 8 * HOUR_S + 180.0 * n)
        emergence.append(features(life).emergence)
        z.append(features(life).z)
    assert life.states.slot_names(0) == ["new", "old"]
    assert (np.diff(emergence, axis=0) * [1, -1] > 0).all()
    assert (np.diff(z, axis=0) * [1, -1] > 0).all()
    assert emergence[-1][0] > 1.5 and emergence[-1][1] < -1.5 and z[-1][0] > 3


def test_rates_of_a_steady_user_are_right_at_any_age() -> None:
    """Twelve events an hour are measured as that after three hours, when the slow count has hardly begun to fill."""
    life = Life()
    life.act("a", *np.arange(0, 3 * HOUR_S, 300.0))
    found = features(life)
    np.testing.assert_allclose(found.rate_fast, 12 / HOUR_S, rtol=0.1)
    np.testing.assert_allclose(found.rate_slow, 12 / HOUR_S, rtol=0.1)


def test_mix_share_recency_and_entropy() -> None:
    """The plain features are what they say."""
    life = Life()
    life.act("a", 0.0, action=2)
    life.act("a", 0.0, action=1)
    life.act("b", 0.0, 50.0, action=1)
    found = features(life)
    np.testing.assert_allclose(found.mass, [4.0, 2.0], rtol=1e-4)
    np.testing.assert_allclose(found.share, [2 / 3, 1 / 3], rtol=1e-4)
    np.testing.assert_allclose(found.actions, [[0, 0.5, 0.5], [0, 1, 0]], atol=1e-6)
    assert found.recency_s.tolist() == [50.0, 0.0]
    np.testing.assert_allclose(found.entropy, [-(2 / 3) * np.log(2 / 3) - np.log(1 / 3) / 3], rtol=1e-4)


@settings(deadline=None, max_examples=40)
@given(event_lists())
def test_features_are_always_finite(events: list[Event]) -> None:
    """Whatever the ages and gaps, no NaN and no infinity."""
    found = scenario_features(applied([events], SMALL), SMALL, TransferConfig())
    for name in ScenarioFeatures.__slots__:
        assert np.isfinite(getattr(found, name)).all(), name


def test_no_users_and_no_events_give_empty_features() -> None:
    """The edges of the arrays are no edge for the caller."""
    for users in (0, 2):
        found = scenario_features(empty_states(users, SMALL), InterestConfig(dim=6), TransferConfig())
        assert (len(found.mass), len(found.entropy)) == (0, users)
