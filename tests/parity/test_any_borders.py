"""Far above every cap: the borders of batches change nothing, the order of arrival nothing of what vectors are made of."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.reference_state import Event, max_relative_error, reference_states
from support.data.interest_events import applied, unit_vector
from support.fakes.learned import random_model
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig
from transfer.protocols import Fusion
from transfer.rows import last_in_segment, owners, segment_shares
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states
from transfer.state.update import merge_states

TIGHT = InterestConfig(
    dim=6, half_lives_s=(600.0, 86400.0, 2592000.0), own_items=10, ring=8, max_scenarios=32
)
FOLDING = TIGHT.model_copy(update={"max_scenarios": 4})
TOLERANCE = 1e-6
few = settings(deadline=None, max_examples=8)


def shoppers(
    seed: int,
    users: int,
    events: int,
    items: int,
    scenarios: int,
    days: float = 200.0,
    dim: int = 6,
    rare: float = 0.0,
) -> list[Event]:
    """Baskets at one time each, in order; visits follow Zipf's law but for a share of rare ones, and taste wanders."""
    rng = np.random.default_rng(seed)
    vectors = [unit_vector(n, dim) for n in range(64)]
    times = np.sort(1.7e9 + np.round(rng.uniform(0, days * 86400, max(events // 4, 1)) / 60) * 60)
    life = []
    for n in range(events):
        time = float(times[n // 4 % len(times)])
        user = int(rng.integers(users))
        drift = int((time - 1.7e9) / 86400 / 20)
        item = int(min(rng.zipf(1.2), items) + drift * 7) % items
        if rng.random() < rare:
            item = int(rng.integers(items))
        life.append(
            Event(
                user,
                time,
                (n + 1) * 0x9E3779B97F4A7C15 % 2**64,
                int(rng.integers(3)),
                item,
                f"s{item % scenarios:03}",
                vectors[item % 64],
            )
        )
    return life


def streamed(events: Sequence[Event], size: int, config: InterestConfig, users: int) -> InterestStates:
    """States after batches of a size, packed after each and read again, as in a store."""
    states = empty_states(users, config)
    for start in range(0, len(events), size):
        batch = applied([events[start : start + size]], config, states=states)
        states = unpack_states(pack_states(batch, config), config)
    return states


def fused_alike(a: Fusion, b: Fusion) -> None:
    """Vectors, weights and interests within the tolerance."""
    np.testing.assert_allclose(a.fused, b.fused, atol=TOLERANCE)
    np.testing.assert_allclose(a.weights, b.weights, atol=TOLERANCE)
    np.testing.assert_array_equal(a.interest_offsets, b.interest_offsets)
    np.testing.assert_allclose(a.interests, b.interests, atol=TOLERANCE)


@pytest.mark.parametrize("config", [TIGHT, FOLDING], ids=["many items", "many scenarios"])
def test_any_borders_give_the_same_state_as_one_event_at_a_time(config: InterestConfig) -> None:
    """1, 7, 500 and 20,000 events a batch: the keys, counts and times of the plain code, sums within 1e-6."""
    events = shoppers(1, 3, 900, 120, 24)
    expected, _ = reference_states(events, 3, config)
    distinct = [len({event.item for event in events if event.user == user}) for user in range(3)]
    assert min(distinct) > 4 * config.own_items
    for size in (1, 7, 500, 20_000):
        states = streamed(events, size, config, 3)
        assert max_relative_error(states, expected) < TOLERANCE, size
        fused_alike(AnalyticTransfer(config)(states), AnalyticTransfer(config)(expected))


def test_a_thousand_items_and_any_borders_at_full_size() -> None:
    """The default settings, users of more than 1,000 items each, in baskets that batches cut."""
    config = InterestConfig(dim=6)
    events = shoppers(2, 2, 6000, 4000, 30, rare=0.6)
    whole = streamed(events, 20_000, config, 2)
    assert min(len({event.item for event in events if event.user == user}) for user in range(2)) > 1000
    for size in (7, 500):
        states = streamed(events, size, config, 2)
        assert max_relative_error(states, whole) < TOLERANCE, size
        fused_alike(AnalyticTransfer(config)(states), AnalyticTransfer(config)(whole))


@few
@given(st.integers(0, 1000), st.randoms(use_true_random=False), st.integers(1, 120))
def test_any_order_gives_the_same_vectors(seed: int, random, size: int) -> None:
    """Shuffled, so that most events come late, with every event twice: the same fusion, whatever becomes of the own items."""
    events = shoppers(seed, 2, 160, 80, 20)
    shuffled = random.sample(events, len(events))
    repeated = [
        event for batch in range(0, len(shuffled), size) for event in shuffled[batch : batch + size] * 2
    ]
    config = TIGHT.model_copy(update={"ring": 200})  # the window for repeats
    one, other = streamed(events, 1000, config, 2), streamed(repeated, 2 * size, config, 2)
    assert one.n_events.tolist() == other.n_events.tolist()
    fused_alike(AnalyticTransfer(config)(one), AnalyticTransfer(config)(other))


@few
@given(st.integers(0, 1000), st.randoms(use_true_random=False), st.integers(1, 200))
def test_any_order_gives_the_same_exact_part(seed: int, random, size: int) -> None:
    """With a short ring, too: all but the own items is a function of the set of events."""
    events = shoppers(seed, 2, 200, 80, 20)
    shuffled = random.sample(events, len(events))
    one, other = streamed(events, 50, TIGHT, 2), streamed(shuffled, size, TIGHT, 2)
    parts = [events[start::3] for start in range(3)]
    a, b, c = (streamed(part, size, TIGHT, 2) for part in parts)
    for state in (other, merge_states(merge_states(c, a, TIGHT), b, TIGHT)):
        for name in (
            "scenario_life",
            "scenario_first",
            "scenario_last",
            "scenario_before",
            "ring_key",
            "n_events",
        ):
            np.testing.assert_array_equal(getattr(state, name), getattr(one, name), err_msg=name)
        np.testing.assert_allclose(state.scenario_sums, one.scenario_sums, atol=TOLERANCE)
        np.testing.assert_allclose(state.scenario_counts, one.scenario_counts, atol=TOLERANCE)
        fused_alike(AnalyticTransfer(TIGHT)(state), AnalyticTransfer(TIGHT)(one))


@pytest.mark.parametrize("seed", range(3))
def test_any_order_keeps_the_heavier_half_of_the_own_items(seed: int) -> None:
    """Shuffled, a user of 500 items and more keeps the same heaviest half, to within one in sixteen."""
    config = InterestConfig(dim=6, own_items=64)
    events = shoppers(seed, 2, 3000, 900, 20)
    rng = np.random.default_rng(seed)
    one = streamed(events, 500, config, 2)
    other = streamed([events[n] for n in rng.permutation(len(events))], 500, config, 2)
    for user in range(2):
        a, b = (heaviest(states, user, 32) for states in (one, other))
        assert len(a & b) >= 30, (len(a & b), user)


def heaviest(states: InterestStates, user: int, count: int) -> set[int]:
    """Items of the largest shares, summed over the half-lives."""
    weight = segment_shares(states.own_masses(), states.own_offsets).sum(axis=1)
    order = np.lexsort((states.own_item, weight, owners(states.own_offsets)))
    items = states.own_item[order][last_in_segment(states.own_offsets, count)]
    return set(items[user * count : (user + 1) * count].tolist())


def test_an_item_above_the_bound_is_never_dropped() -> None:
    """One that always has more than K / own_items of the mass stays with all its events, in any order."""
    config = TIGHT.model_copy(update={"own_items": 12})
    rng = np.random.default_rng(4)
    vector = unit_vector(0, 6)
    events = []
    for n in range(300):
        events += [
            Event(0, 60.0 * n, 3 * n + 1, 1, 7, "a", vector),
            Event(0, 60.0 * n, 3 * n + 2, 1, int(rng.integers(100, 1000)), "a", vector),
        ]
    for order in (np.arange(600), rng.permutation(600), np.arange(600)[::-1]):
        states = streamed([events[n] for n in order], 17, config, 1)
        assert states.own_count[states.own_item == 7].tolist() == [300]


def test_thousands_of_batches_of_one_event_stay_within_the_tolerance() -> None:
    """3,000 events of one user, written after each: rounding does not add up."""
    config = InterestConfig(dim=4, own_items=16, ring=16)
    events = shoppers(5, 1, 3000, 300, 12, days=30.0, dim=4)
    one, whole = streamed(events, 1, config, 1), streamed(events, 20_000, config, 1)
    assert max_relative_error(one, whole) < 1e-7
    fused_alike(AnalyticTransfer(config)(one), AnalyticTransfer(config)(whole))


def test_a_trained_model_depends_on_nothing_that_is_capped() -> None:
    """Its fused vectors, weights and interests are the same in any order and any batches, within what float32 layers add."""
    events = shoppers(6, 3, 600, 120, 20)
    model = random_model(TIGHT)
    rng = np.random.default_rng(6)
    one = model(streamed(events, 1, TIGHT, 3))
    for order, size in ((np.arange(600), 500), (rng.permutation(600), 37)):
        other = model(streamed([events[n] for n in order], size, TIGHT, 3))
        for name in ("fused", "weights", "interests"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), atol=TOLERANCE, err_msg=name)
