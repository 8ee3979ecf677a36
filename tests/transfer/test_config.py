"""Settings are refused where they make no sense, and tell incompatible states apart."""

import pytest
from pydantic import ValidationError

from transfer.config import ACTIONS, InterestConfig, TransferConfig


@pytest.mark.parametrize(
    "change",
    [
        {"half_lives_s": (3600.0,)},
        {"half_lives_s": (3600.0, 60.0)},
        {"half_lives_s": (60.0, 60.0)},
        {"half_lives_s": (0.0, 60.0)},
        {"half_lives_s": (60.0, float("inf"))},
        {"dim": 0},
        {"browse_weight": 0.0},
        {"purchase_weight": float("nan")},
        {"max_scenarios": 251},
        {"max_scenarios": 0},
        {"own_items": 0},
        {"ring": 0},
        {"half_life": 5},
    ],
)
def test_senseless_interest_settings_are_refused(change: dict[str, object]) -> None:
    """Also keys that don't exist."""
    with pytest.raises(ValidationError):
        InterestConfig(**change)


@pytest.mark.parametrize("change", [{"short_term_share": 1.1}, {"interests": 0}, {"emergence": 1.0}])
def test_senseless_transfer_settings_are_refused(change: dict[str, object]) -> None:
    """Shares lie in 0..1, and unknown keys are mistakes."""
    with pytest.raises(ValidationError):
        TransferConfig(**change)


def test_every_action_has_a_weight() -> None:
    """Codes index the weights."""
    assert InterestConfig().action_weights.tolist() == [0.5, 1.0, 3.0]
    assert len(ACTIONS) == 3


def test_only_what_makes_states_incompatible_changes_the_fingerprint() -> None:
    """Caps may be changed in operation; dimensions, half-lives and weights may not."""
    base = InterestConfig().fingerprint()
    assert base == InterestConfig(max_scenarios=5, own_items=5, ring=5).fingerprint()
    others = [{"dim": 64}, {"half_lives_s": (60.0, 3600.0)}, {"browse_weight": 1.0}, {"click_weight": 0.5}]
    prints = {InterestConfig(**other).fingerprint() for other in others}
    assert len(prints | {base}) == 5


def test_codes_belong_to_the_names_of_actions() -> None:
    """Further actions follow the three that are always there, in the order of the settings, and keep old states readable."""
    config = InterestConfig(actions={"hide": -1.0, "shown": 0.0, "add to cart": 2.0})
    assert config.action_names == ("browse", "click", "purchase", "hide", "shown", "add to cart")
    assert config.action_weights.tolist() == [0.5, 1.0, 3.0, -1.0, 0.0, 2.0]
    assert config.action_code("shown") == 4
    assert config.fingerprint() == InterestConfig().fingerprint()
    with pytest.raises(ValueError, match="unknown action 'like'; actions are browse, click, purchase, hide"):
        config.action_code("like")


@pytest.mark.parametrize(
    "actions",
    [
        {"Click": 2.0},
        {"ignore": 1.0},
        {"*": 1.0},
        {"": 1.0},
        {" like": 1.0},
        {"a\x1b[2J": 1.0},
        {"x" * 65: 1.0},
        {"like": 1.0, "LIKE": 2.0},
        {"like": float("inf")},
        {f"a{number}": 1.0 for number in range(198)},
    ],
)
def test_senseless_actions_are_refused(actions: dict[str, float]) -> None:
    """A name is told from all others in any spelling, can be printed, and has a finite weight."""
    with pytest.raises(ValidationError):
        InterestConfig(actions=actions)
