"""Since when a user is in a scenario this time: its first event, or the first one after a long pause."""

import numpy as np
import pytest

from support.checks.reference_state import Event
from support.data.interest_events import Life, applied, unit_vector
from transfer.analytic.stints import Stints, stints
from transfer.config import InterestConfig

DAY_S = 86400.0


def stint(life: Life, scenario: str) -> tuple[float, int, float]:
    """Age in days, events and share of one scenario's stint."""
    found: Stints = stints(life.states, life.config)
    slot = life.states.slot_names(0).index(scenario)
    return float(found.age_s[slot]) / DAY_S, int(found.events[slot]), float(found.share[slot])


def test_a_new_scenario_began_with_its_first_event() -> None:
    """Its events and its share are counted from there, in the ring."""
    life = Life()
    life.mix({"books": 1.0}, 0.0, 40 * DAY_S, 200)
    life.act("garden", 41 * DAY_S)
    life.act("books", 42 * DAY_S)
    life.act("garden", 43 * DAY_S, 43 * DAY_S + 60)
    age, events, share = stint(life, "garden")
    assert age == pytest.approx(2.0, abs=0.01)
    assert (events, share) == (3, 0.75)
    assert stint(life, "books")[0] > 40


@pytest.mark.parametrize(("between", "own_items"), [(20, 128), (300, 1000), (300, 128), (300, 1)])
def test_a_long_pause_begins_a_new_stint(between: int, own_items: int) -> None:
    """Also where the ring has long forgotten the time before the pause, and whatever the own items hold."""
    life = Life(InterestConfig(dim=32, own_items=own_items))
    life.mix({"garden": 1.0}, 0.0, 10 * DAY_S, 20)
    life.mix({"books": 1.0}, 10 * DAY_S, 65 * DAY_S, between)
    life.act("garden", *(65 * DAY_S + 60.0 * np.arange(4)))
    age, events, share = stint(life, "garden")
    assert age < 0.01
    assert (events, share) == (4, 1.0)


def test_a_short_pause_does_not() -> None:
    """A month is no pause where the longest half-life is a month, whatever the ring still holds."""
    life = Life(InterestConfig(dim=32, own_items=1000))
    life.mix({"garden": 1.0}, 0.0, 10 * DAY_S, 20)
    life.mix({"books": 1.0}, 10 * DAY_S, 40 * DAY_S, 300)
    life.act("garden", *(40 * DAY_S + 60.0 * np.arange(4)))
    assert stint(life, "garden")[0] > 39


def test_the_same_item_again_is_a_new_stint_all_the_same() -> None:
    """If every item from before the pause was seen again since, the time before the ring still tells of the pause."""
    for days_away in (20, 60):
        life = Life()
        life.act("garden", 0.0, DAY_S, item=7)
        life.mix({"books": 1.0}, DAY_S, days_away * DAY_S, 100)
        life.act("garden", days_away * DAY_S, item=7)
        assert stint(life, "garden")[0] == pytest.approx(20.0 if days_away == 20 else 0.0, abs=0.01)


def test_each_user_has_their_own() -> None:
    """Stints of many users at once are those of each alone."""
    config, rng = InterestConfig(dim=8), np.random.default_rng(3)
    vector = unit_vector(1, 8)
    events = [
        Event(n % 3, float(time), n + 1, 1, int(rng.integers(1, 9)), str(rng.choice(["a", "b", "c"])), vector)
        for n, time in enumerate(np.sort(rng.uniform(0, 300 * DAY_S, 240)))
    ]
    together = stints(applied([events], config), config)
    alone = [
        stints(
            applied([[Event(0, *_rest(event)) for event in events if event.user == user]], config, users=1),
            config,
        )
        for user in range(3)
    ]
    for name in Stints.__slots__:
        np.testing.assert_array_equal(
            getattr(together, name), np.concatenate([getattr(one, name) for one in alone])
        )


def _rest(event: Event) -> tuple:
    return event.time, event.key, event.action, event.item, event.scenario, event.vector
