"""What is popular: shares that back off, and their part beside what a model says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.popular import FEW, PopularRule, blended, popular_part, popular_shares


def test_a_scenario_without_events_gets_what_is_popular_everywhere() -> None:
    """And the more of its own there is, the less of the rest."""
    everywhere, ever = np.array([0.7, 0.2, 0.1]), np.array([0.4, 0.3, 0.3])
    known = popular_shares(everywhere, ever, 1000.0)
    np.testing.assert_allclose(popular_shares(everywhere, ever, 1000.0, np.zeros(3), 0.0), known)
    here = np.array([0.0, 0.0, 1.0])
    thin, thick = (popular_shares(everywhere, ever, 1000.0, here, events) for events in (1.0, 1000.0))
    assert thin.argmax() == 0 and thick.argmax() == 2
    assert thin.sum() == pytest.approx(1.0) and thick.sum() == pytest.approx(1.0)


def test_items_without_recent_events_come_by_all_time() -> None:
    """After those that are taken lately, not in the order of their codes."""
    found = popular_shares(np.array([0.0, 0.0, 1.0]), np.array([0.2, 0.8, 0.0]), 50.0)
    assert np.argsort(-found).tolist() == [2, 1, 0]


@given(st.integers(0, 10_000), st.floats(0, 0.999), st.integers(0, 12))
def test_a_blend_keeps_the_sum_and_what_the_model_says_of_own_items(seed: int, k: float, own: int) -> None:
    """Whatever the parts are; and nothing changes where the part is 0."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(12, 0.3)).astype(np.float32)
    shares, is_own = rng.dirichlet(np.full(12, 0.3)), np.arange(12) < own
    mixed = scores.copy()
    added = blended(mixed, shares, is_own, k)
    assert float(mixed.sum()) == pytest.approx(1.0, abs=1e-5) and (mixed >= 0).all()
    np.testing.assert_array_equal(mixed[is_own], scores[is_own])
    np.testing.assert_array_equal(added[is_own], 0)
    if k == 0:
        np.testing.assert_array_equal(mixed, scores)


def test_users_with_many_events_get_the_model_alone() -> None:
    """The part falls with every event and is nothing from FEW on; without any event it is everything."""
    part = popular_part(np.arange(FEW + 5), 3.0)
    assert part[0] == 1 and (np.diff(part[:FEW]) < 0).all() and not part[FEW:].any()
    assert popular_part(np.arange(5), 0.0).tolist() == [1, 0, 0, 0, 0]


def test_a_column_that_was_not_chosen_is_of_debuts() -> None:
    """One user can't make an item popular; also where all time is all there is."""
    assert PopularRule().taken(False, 4) == 5 and PopularRule().taken(True, 1) == 1
