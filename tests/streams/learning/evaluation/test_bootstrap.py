"""Intervals: as wide as the data says."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.bootstrap import paired_difference


def test_the_interval_is_that_of_the_mean_for_independent_users():
    """With one target a user, the interval is the normal one of a mean, about 1.96 standard errors each way."""
    rng = np.random.default_rng(0)
    value, other = rng.random(2000), rng.random(2000) - 0.02
    found = paired_difference(np.arange(2000), value, other)
    error = (value - other).std() / np.sqrt(2000)
    assert found.difference == pytest.approx((value - other).mean())
    assert found.low == pytest.approx(found.difference - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(found.difference + 1.96 * error, abs=0.25 * error)
    assert found.users == 2000


def test_a_users_targets_are_one_observation():
    """A hundred equal targets of one user make an interval no narrower than one would."""
    rng = np.random.default_rng(1)
    user, effect = np.arange(50), rng.standard_normal(50)
    once = paired_difference(user, effect, np.zeros(50))
    often = paired_difference(np.repeat(user, 100), np.repeat(effect, 100), np.zeros(5000))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_no_difference_is_not_significant_and_a_sure_one_is():
    """Equal methods differ by exactly nothing; a constant gain is significant; the same seed gives the same interval."""
    rng = np.random.default_rng(2)
    user, value = rng.integers(0, 30, 400), rng.random(400)
    none = paired_difference(user, value, value)
    assert none.low == none.high == 0
    sure = paired_difference(user, value + 0.1, value)
    assert sure.low == pytest.approx(0.1)
    noisy = rng.random(400)
    assert paired_difference(user, value, noisy, seed=4) == paired_difference(user, value, noisy, seed=4)
