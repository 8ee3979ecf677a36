"""Above the caps the state is approximate: what stays exact, and how far off the rest may be."""

import numpy as np
import pytest

from support.checks.reference_state import Event
from support.data.interest_events import Life, applied, unit_vector
from transfer.analytic.again import again_scores
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig
from transfer.state.states import OTHER, InterestStates

ROOMY = InterestConfig(dim=32, max_scenarios=200, own_items=5000)
DAY_S = 86400.0


def wanderer(seed: int, scenarios: int, items: int, events: int = 600) -> list[Event]:
    """60 days of a user whose visits follow Zipf's law, with vectors near their scenario's direction."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 60 * DAY_S, events))

    def zipf(n: int) -> np.ndarray:
        share = 1.0 / np.arange(1, n + 1)
        return rng.choice(n, events, p=share / share.sum())

    life = []
    for n, (time, scenario, item) in enumerate(zip(times, zipf(scenarios), zipf(items), strict=True)):
        vector = np.array(unit_vector(int(scenario), 32)) + 0.1 * rng.standard_normal(32)
        vector /= np.linalg.norm(vector)
        life.append(
            Event(0, time, n + 1, int(rng.integers(3)), int(item) + 1, f"s{scenario:03}", tuple(vector))
        )
    return life


def run(events: list[Event], config: InterestConfig, batch: int = 7) -> InterestStates:
    """States after the events in small batches."""
    return applied([events[n : n + batch] for n in range(0, len(events), batch)], config, users=1)


@pytest.mark.parametrize("seed", range(4))
def test_folding_loses_no_mass(seed: int) -> None:
    """Global sums, counts and totals are the same with about 8 slots as with one for each of 60 scenarios."""
    events = wanderer(seed, scenarios=60, items=50)
    full, capped = run(events, ROOMY), run(events, ROOMY.model_copy(update={"max_scenarios": 8}))
    assert 8 <= len(capped.scenario_code) <= 12
    assert OTHER in capped.scenario_names
    assert capped.n_events == full.n_events == len(events)
    for k in range(3):
        np.testing.assert_allclose(capped.global_sum(k), full.global_sum(k), atol=1e-9)
    np.testing.assert_allclose(
        capped.scenario_counts.sum(axis=0), full.scenario_counts.sum(axis=0), rtol=1e-9
    )
    np.testing.assert_array_equal(capped.scenario_life.sum(axis=0), full.scenario_life.sum(axis=0))


@pytest.mark.parametrize("seed", range(8))
def test_folding_moves_the_fused_vector_little(seed: int) -> None:
    """With 60 scenarios in 8, 16 or 32 slots the cosine to the exact vector is above .8, .85, .95."""
    events = wanderer(seed, scenarios=60, items=50)
    model = AnalyticTransfer(ROOMY)
    exact = model(run(events, ROOMY)).fused[0]
    cosines = [
        float(model(run(events, ROOMY.model_copy(update={"max_scenarios": cap}))).fused[0] @ exact)
        for cap in (8, 16, 32)
    ]
    assert np.all(np.array(cosines) > [0.8, 0.85, 0.95]), cosines


@pytest.mark.parametrize("seed", range(4))
def test_dropping_items_moves_the_again_scores_little(seed: int) -> None:
    """With 1,000 items in 128 to 192 rows no score is off by more than .01, and the first five are the same."""
    events = wanderer(seed, scenarios=5, items=1000)
    full, capped = run(events, ROOMY), run(events, ROOMY.model_copy(update={"own_items": 128}))
    assert len(full.own_item) > 200 and 128 <= len(capped.own_item) <= 192
    exact = dict(zip(full.own_item.tolist(), again_scores(full).tolist(), strict=True))
    kept = dict(zip(capped.own_item.tolist(), again_scores(capped).tolist(), strict=True))
    assert max(abs(kept.get(item, 0.0) - score) for item, score in exact.items()) < 0.01
    assert set(sorted(exact, key=exact.get)[-5:]) == set(sorted(kept, key=kept.get)[-5:])


def test_a_folded_scenario_that_comes_again_gets_a_slot_again() -> None:
    """What was folded stays in `(other)`, with its items and ring rows; new events stand under the name."""
    config = ROOMY.model_copy(update={"max_scenarios": 3})
    assert config.most_scenarios == 4
    vector = unit_vector(0, 32)

    def visits(start: float, *names: str) -> list[Event]:
        return [
            Event(0, start + n, int(start) + n + 1, 1, ord(name), name, vector)
            for n, name in enumerate(names)
        ]

    first = run(visits(0, *"azbbcc"), config, batch=9)
    assert first.scenario_names == ("a", "b", "c", "z")
    folded = applied([visits(100, *"ddd")], config, users=1, states=first)
    assert folded.scenario_names == (OTHER, "b", "c", "d")
    own = dict(zip(folded.own_item.tolist(), folded.own_scenario.tolist(), strict=True))
    assert {chr(item): folded.scenario_names[code] for item, code in own.items()} == {
        "a": OTHER,
        "z": OTHER,
        "b": "b",
        "c": "c",
        "d": "d",
    }
    rings = [OTHER, OTHER, "b", "b", "c", "c", OTHER, "d", "d"]
    assert [folded.scenario_names[code] for code in folded.ring_scenario] == rings
    again = applied([visits(200, *"aaaa")], config, users=1, states=folded)
    assert again.scenario_names == (OTHER, "a", "c", "d")
    assert again.scenario_counts[1, -1].sum() == pytest.approx(3, abs=1e-3)


def test_a_new_scenario_emerges_though_all_slots_are_taken() -> None:
    """A user with 60 busy scenarios enters another one: it keeps its slot and leads within eight events."""
    life = Life()
    for n in range(60):
        life.mix({f"old {n}": 1.0}, 0.0, 60 * DAY_S, 30)
    model = AnalyticTransfer(life.config)
    for n in range(8):
        life.act("new", 60 * DAY_S + 300.0 * n)
    weights = dict(zip(life.states.slot_names(0), model(life.states).weights.tolist(), strict=True))
    assert life.config.max_scenarios <= len(weights) <= life.config.most_scenarios
    assert max(weights, key=weights.get) == "new"


def test_the_item_of_a_moment_ago_is_kept_in_a_full_list() -> None:
    """A browse on a new item stays, though every other item has more mass at the longest half-life."""
    config = ROOMY.model_copy(update={"own_items": 20})
    vector = unit_vector(0, 32)
    bought = [Event(0, DAY_S * n, n + 1, 2, n + 1, "a", vector) for n in range(30)]
    states = run([*bought, Event(0, 31 * DAY_S, 99, 0, 99, "a", vector)], config)
    assert states.own_item.tolist() == [*range(12, 31), 99]


def test_own_items_above_the_cap_keep_the_heaviest_then_latest_then_greatest_key() -> None:
    """Which item goes is decided by the state alone."""
    config = ROOMY.model_copy(update={"own_items": 2})
    vector = unit_vector(0, 32)
    light = Event(0, 5.0, 1, 0, 10, "a", vector)
    heavy = [Event(0, 5.0, key, 1, item, "a", vector) for key, item in ((2, 30), (3, 20), (4, 40))]
    assert run([light, *heavy], config, batch=9).own_item.tolist() == [30, 40]
    assert run([*heavy[:2], light, heavy[2]], config, batch=1).own_item.tolist() == [30, 40]
