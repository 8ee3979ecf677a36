"""The analytic transfer: weight moves to what the user does now, and comes back; vectors borrow by what is known."""

import numpy as np
import pytest

from support.checks.reference_state import Event
from support.data.interest_events import Life, applied, unit_vector
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig, TransferConfig

DAY_S = 86400.0
HOUR_S = 3600.0


def weights(life: Life) -> dict[str, float]:
    """Weight of each of the user's scenarios."""
    fusion = AnalyticTransfer(life.config)(life.states)
    return dict(zip(life.states.slot_names(0), fusion.weights.tolist(), strict=True))


def reader(events_a_day: int = 10, days: int = 60) -> Life:
    """A user with a long history in books."""
    life = Life()
    life.mix({"books": 1.0}, 0.0, days * DAY_S, events_a_day * days)
    return life


@pytest.mark.parametrize(("events_a_day", "days", "leads_at"), [(1, 30, 4), (10, 60, 4), (50, 90, 4)])
def test_a_new_scenario_takes_the_lead_within_five_events(
    events_a_day: int, days: int, leads_at: int
) -> None:
    """Weight rises with each event, three minutes apart, and leads at the 4th for 30 to 4500 old ones."""
    life = reader(events_a_day, days)
    course = []
    for n in range(8):
        life.act("garden", days * DAY_S + 8 * HOUR_S + 180.0 * n)
        course.append(weights(life)["garden"])
    assert (np.diff(course) > 0).all(), course
    assert course[0] < 0.1
    assert next(n + 1 for n, weight in enumerate(course) if weight > 0.5) == leads_at


def test_a_new_scenario_takes_over_also_in_the_middle_of_a_visit() -> None:
    """Right after ten events in the old scenario the lead takes no more than eight in the new one."""
    life = reader()
    life.act("books", *(60 * DAY_S + 120.0 * np.arange(10)))
    course = []
    for n in range(8):
        life.act("garden", 60 * DAY_S + HOUR_S / 2 + 180.0 * n)
        course.append(weights(life)["garden"])
    assert (np.diff(course) > 0).all(), course
    assert course[-1] > 0.5


def test_one_stray_event_does_not_lead() -> None:
    """A single event elsewhere, even a purchase, leaves nine tenths of the weight where it was."""
    for action in (0, 1, 2):
        life = reader()
        life.act("garden", 60 * DAY_S + 8 * HOUR_S, action=action)
        assert weights(life)["garden"] < 0.1


def test_a_dormant_scenario_takes_the_lead_within_five_events() -> None:
    """A user who returns after more than 1.5 of the longest half-life is new again; after a week it is a habit's burst."""
    for days_away, leads in ((50, True), (7, False)):
        life = Life()
        life.mix({"books": 0.7, "garden": 0.3}, 0.0, 40 * DAY_S, 120)
        away = (40 + days_away) * DAY_S
        life.mix({"books": 1.0}, 40 * DAY_S, away, 4 * days_away)
        life.act("garden", *(away + 8 * HOUR_S + 180.0 * np.arange(5)))
        assert (weights(life)["garden"] > 0.5) == leads, days_away


def test_a_burst_in_an_old_scenario_draws_level_and_no_more() -> None:
    """A dozen events in a row in the lesser of two habits raise its weight; the greater one keeps the lead."""
    life = Life()
    life.mix({"books": 0.7, "garden": 0.3}, 0.0, 60 * DAY_S, 600)
    before = weights(life)["garden"]
    life.act("garden", *(60 * DAY_S + 8 * HOUR_S + 180.0 * np.arange(12)))
    assert before + 0.1 < weights(life)["garden"] < 0.5


def test_weight_returns_when_the_user_goes_back() -> None:
    """After an excursion the old scenario leads again with the first events there."""
    life = reader()
    life.act("garden", *(60 * DAY_S + 180.0 * np.arange(12)))
    assert weights(life)["garden"] > 0.7
    back = []
    for n in range(4):
        life.act("books", 61 * DAY_S + 180.0 * n)
        back.append(weights(life)["books"])
    assert min(back) > 0.9


def test_a_steady_user_keeps_weights_near_the_shares() -> None:
    """Two scenarios at 70 and 30 in 100 for a month weigh about that."""
    for seed in range(5):
        life = Life(seed=seed)
        life.mix({"books": 0.7, "garden": 0.3}, 0.0, 30 * DAY_S, 1500)
        assert weights(life)["books"] == pytest.approx(0.7, abs=0.08)


def test_a_brand_new_user_weighs_by_what_they_did() -> None:
    """In the first minutes weights are shares of mass."""
    life = Life()
    life.act("books", 0.0, 60.0)
    life.act("garden", 120.0, action=2)
    assert weights(life)["garden"] == pytest.approx(0.6, abs=0.01)


def test_what_the_half_lives_forgot_steadies_the_weights() -> None:
    """A month in which a lesser habit happens to come first does not outweigh a year, unless none of it is to count."""
    life = Life()
    for day in range(0, 360, 2):
        often = 10 if day < 330 else 2  # books, of ten events
        life.act("books", *(day * DAY_S + HOUR_S * np.arange(often)), item=1 + day % 6)
        life.act("garden", *(day * DAY_S + HOUR_S * np.arange(often, 14)), item=11 + day % 6)
    garden = {}
    for share in (0.0, 0.5, 1.0):
        model = AnalyticTransfer(life.config, TransferConfig(lifelong_share=share, emergence_gain=0.0))
        garden[share] = float(model(life.states).weights[life.states.slot_names(0).index("garden")])
    assert garden[0.0] > 0.5 > garden[0.5] > garden[1.0]
    young = Life()
    young.act("books", *(HOUR_S * np.arange(3)), item=1)
    young.act("garden", HOUR_S, item=2)
    known = [
        AnalyticTransfer(young.config, TransferConfig(lifelong_share=s))(young.states).weights for s in (0, 1)
    ]
    np.testing.assert_allclose(*known, atol=1e-3)


def test_the_fused_vector_turns_to_the_new_scenario() -> None:
    """The cosine to the new scenario's direction rises with each event and passes that to the old one."""
    life = reader()
    model = AnalyticTransfer(life.config)
    new, old = [], []
    for n in range(8):
        life.act("garden", 60 * DAY_S + 8 * HOUR_S + 180.0 * n)
        fused = model(life.states).fused[0]
        new.append(float(fused @ life.direction("garden")))
        old.append(float(fused @ life.direction("books")))
    assert (np.diff(new) > -0.01).all(), new
    assert new[-1] > old[-1]


def test_a_scenario_borrows_from_the_others_by_how_little_is_known() -> None:
    """The query of a scenario moves from the global interest to its own direction with its events."""
    life = reader()
    model = AnalyticTransfer(life.config)
    nothing = model.scenario_query(life.states, 0, "garden")
    own = [float(nothing @ life.direction("garden"))]
    for n in range(10):
        life.act("garden", 60 * DAY_S + 8 * HOUR_S + 180.0 * n)
        own.append(float(model.scenario_query(life.states, 0, "garden") @ life.direction("garden")))
    assert (np.diff(own) > 0).all(), own
    assert own[-1] > 0.9


def test_interests_are_the_weightiest_scenarios_in_order() -> None:
    """At most four, none of negligible weight, each the query of its scenario."""
    life = Life()
    for n, name in enumerate(["a", "b", "c", "d", "e", "f"]):
        life.mix({name: 1.0}, 0.0, 30 * DAY_S, 20 * (n + 1))
    life.act("stray", 0.0)
    model = AnalyticTransfer(life.config)
    fusion, weight = model(life.states), weights(life)
    names = sorted(weight, key=weight.get, reverse=True)[:4]
    assert fusion.interest_offsets.tolist() == [0, 4]
    for row, name in enumerate(names):
        np.testing.assert_allclose(
            fusion.interests[row], model.scenario_query(life.states, 0, name), atol=1e-6
        )
    few = Life()
    few.mix({"a": 1.0}, 0.0, 30 * DAY_S, 300)
    few.act("stray", 0.0)
    assert len(AnalyticTransfer(few.config)(few.states).interests) == 1


def test_opposite_events_cancel_to_a_fixed_unit_vector() -> None:
    """A user whose sums are zero gets the first axis, however the events were batched."""
    config = InterestConfig(dim=8)
    vector = np.array(unit_vector(3, 8))
    events = [Event(0, 100.0 * (n // 2), n + 1, 1, n, "s", tuple(vector * (-1) ** n)) for n in range(6)]
    for batches in ([events], [[event] for event in events]):
        states = applied(batches, config, users=1)
        fusion = AnalyticTransfer(config)(states)
        for row in (
            fusion.fused[0],
            fusion.interests[0],
            AnalyticTransfer(config).scenario_query(states, 0, "s"),
        ):
            assert row.tolist() == [1.0] + [0.0] * 7


def test_the_fingerprint_tells_weights_apart() -> None:
    """Another weight, another fingerprint; the same ones, the same."""
    interest = Life().config
    assert AnalyticTransfer(interest).fingerprint == AnalyticTransfer(interest, TransferConfig()).fingerprint
    other = AnalyticTransfer(interest, TransferConfig(emergence_gain=1.0))
    assert AnalyticTransfer(interest).fingerprint != other.fingerprint
