"""Figures of pairs against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score, roc_auc_score

from streams.learning.pair_figures import best_threshold, binary_cross_entropy, drawn_pairs, pair_figures
from streams.learning.queries import open_queries
from support.data.histories import random_history


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    """With equal scores among them; the threshold is the best of all scores."""
    rng = np.random.default_rng(seed)
    scores, taken = rng.integers(0, 12, 80).astype(float), rng.random(80) < 0.3
    threshold = best_threshold(scores, taken)
    called = scores >= threshold
    found = pair_figures(scores, taken, threshold)
    assert found == pytest.approx(
        {
            "precision": precision_score(taken, called),
            "recall": recall_score(taken, called),
            "f1": f1_score(taken, called),
            "auc": roc_auc_score(taken, scores),
        }
    )
    assert found["f1"] == pytest.approx(max(f1_score(taken, scores >= each) for each in np.unique(scores)))


def test_cross_entropy_of_shifted_odds() -> None:
    """Without a shift that of scikit-learn; with one, a constant added to all odds is of no account."""
    rng = np.random.default_rng(0)
    odds, taken = rng.normal(size=200), rng.random(200) < 0.25
    plain = binary_cross_entropy(odds, taken)
    assert plain == pytest.approx(log_loss(taken, 1 / (1 + np.exp(-odds))))
    shifted = binary_cross_entropy(odds, taken, shifted=True)
    assert shifted < plain and shifted == pytest.approx(
        binary_cross_entropy(odds + 5, taken, shifted=True), abs=1e-6
    )


def test_nan_is_the_lowest_score() -> None:
    """A method that can't tell calls nothing taken by it."""
    scores, taken = np.array([np.nan, 1.0, 0.0]), np.array([False, True, False])
    assert best_threshold(scores, taken) == 1.0
    assert pair_figures(scores, taken, 1.0)["auc"] == 1.0


def test_drawn_items_are_new_to_the_user() -> None:
    """Each target has its negatives, none of which the user had up to and in that basket; often taken ones come often."""
    history = random_history(events=400)
    queries = open_queries(history, np.arange(len(history) - 100, len(history)))
    taken = np.repeat([1, 2, 3], [60, 30, 10])
    query, item, label = drawn_pairs(history, queries, taken, 5, np.random.default_rng(0))
    assert label.sum() == queries.targets
    np.testing.assert_array_equal(item[label], queries.target_item)
    for number in range(len(queries)):
        known = set(history.item[history.offsets[queries.user[number]] : queries.seen[number]].tolist())
        known |= set(queries.take(np.array([number])).target_item.tolist())
        assert not known & set(item[(query == number) & ~label].tolist())
    assert (np.diff(query) >= 0).all()
