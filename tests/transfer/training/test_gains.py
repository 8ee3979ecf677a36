"""Ties: what a random order of equal scores gives on average, wherever a search goes by ranks."""

import numpy as np
import torch

from streams.learning.profile.questions import gain
from transfer.training.gains import expected_gain


def test_a_tie_is_worth_the_mean_over_all_orders() -> None:
    """By simulation: the target's place among its equals is drawn many times."""
    rng = np.random.default_rng(0)
    for ahead, tied in ((0, 0), (0, 3), (2, 50), (9, 1), (10, 5), (0, 5000)):
        rank = ahead + rng.integers(0, tied + 1, 200_000)
        mean = np.where(rank < 10, 1 / np.log2(rank + 2.0), 0.0).mean()
        found = float(expected_gain(torch.tensor(ahead), torch.tensor(tied), 10))
        np.testing.assert_allclose(found, mean, atol=4e-3)
        np.testing.assert_allclose(float(gain(np.array(ahead), np.array(tied))), found, rtol=1e-5)


def test_equal_scores_for_all_are_worth_a_guess() -> None:
    """A score that tells nothing apart gets what a random list of so many items gets, not the first place."""
    items, cut = 310, 20
    discounts = 1 / np.log2(np.arange(cut) + 2)
    found = float(expected_gain(torch.tensor(0.0), torch.tensor(items - 1.0), cut))
    np.testing.assert_allclose(found, discounts.sum() / items, rtol=1e-5)
    assert found < 0.03
