"""Intervals: as wide as the data says."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.bootstrap import corrected_level, paired_difference, paired_differences


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


def test_several_others_are_compared_as_each_alone():
    """The same draws serve all others and levels; a wider level holds the narrower one's interval."""
    rng = np.random.default_rng(3)
    user, value = rng.integers(0, 40, 300), rng.random(300)
    others = [rng.random(300) for _ in range(3)]
    levels = (0.95, corrected_level(11))
    found = paired_differences(user, value, others, 500, seed=5, levels=levels)
    for other, (plain, corrected) in zip(others, found, strict=True):
        alone = paired_difference(user, value, other, 500, seed=5)
        assert (plain.low, plain.high, plain.difference) == pytest.approx(
            (alone.low, alone.high, alone.difference)
        )
        assert corrected.low < plain.low < plain.high < corrected.high


def test_intervals_that_are_corrected_rarely_miss_in_any_of_many_comparisons():
    """Twelve comparisons of nothing: some 95 % interval leaves zero out in about half of the trials, a corrected one in few."""
    rng = np.random.default_rng(4)
    user = np.arange(200)
    missed = {"plain": 0, "corrected": 0}
    for trial in range(60):
        others = [rng.standard_normal(200) for _ in range(12)]
        found = paired_differences(user, np.zeros(200), others, 1000, trial, (0.95, corrected_level(12)))
        for kind, level in (("plain", 0), ("corrected", 1)):
            missed[kind] += any(each[level].low > 0 or each[level].high < 0 for each in found)
    assert missed["plain"] > 15 and missed["corrected"] <= 9
