"""EASE against its closed formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from streams.learning.evaluation.methods.base import profiles
from streams.learning.evaluation.methods.ease import Ease
from streams.learning.evaluation.methods.interactions import binary, interactions
from streams.learning.evaluation.methods.linear_autoencoder import OverItems, OverUsers, weights_of
from streams.learning.evaluation.methods.own import TAIL
from streams.learning.queries import open_queries
from support.data.histories import random_history


def closed_form(matrix: np.ndarray, lambda_: float) -> np.ndarray:
    """B of Steck (WWW 2019), equation 8, in float64."""
    inverse = np.linalg.inv(matrix.T @ matrix + lambda_ * np.eye(matrix.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize(("users", "items", "kind"), [(40, 12, OverItems), (12, 40, OverUsers)])
def test_weights_are_those_of_the_formula(users: int, items: int, kind: type):
    """Solved over items or, where there are fewer, over users: the same weights, and an item never explains itself."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((users, items)) < 0.3).astype(np.float32)
    weights = weights_of(csr_array(matrix), 3.0, max_items=100)
    assert isinstance(weights, kind)
    found = weights.apply(csr_array(np.eye(items, dtype=np.float32)))
    assert found == pytest.approx(closed_form(matrix, 3.0), abs=2e-4)
    assert np.abs(np.diag(found)).max() < 1e-4


def test_above_the_limit_only_frequent_items_have_weights():
    """With more users and items than the limit, the formula holds for the most frequent items and others get 0."""
    rng = np.random.default_rng(1)
    matrix = (rng.random((50, 20)) < np.linspace(0.8, 0.1, 20)).astype(np.float32)
    top = np.sort(np.argsort(-matrix.sum(axis=0), kind="stable")[:8])
    found = weights_of(csr_array(matrix), 2.0, max_items=8).apply(csr_array(np.eye(20, dtype=np.float32)))
    assert found[np.ix_(top, top)] == pytest.approx(closed_form(matrix[:, top], 2.0), abs=2e-4)
    others = np.setdiff1d(np.arange(20), top)
    assert not found[:, others].any() and not found[others].any()


def test_scores_are_profile_times_weights_of_what_was_learned():
    """After a tenth of the log has been learned, scores are those of the formula on everything so far."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")
    cut = int(np.searchsorted(history.time[rows], history.time[rows[500]]))
    queries = open_queries(history, np.sort(rows[cut:]))
    method = Ease()
    method.fit(history, rows[:cut], queries)
    lambda_ = method.grid[0]["lambda_"]
    method.set(half_life=None, by="time", lambda_=lambda_)
    method.learn(rows[cut:])
    weights = closed_form(binary(interactions(history, rows)).toarray(), lambda_)
    expected = profiles(history, queries).toarray() @ weights
    assert method.scores(queries) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_fitted_again_it_knows_all_that_was_learned():
    """However little has come, after `refit` scores are those of the formula on everything so far."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")
    queries = open_queries(history, np.sort(rows[590:]))
    method = Ease()
    method.fit(history, rows[:580], queries)
    method.learn(rows[580:590])
    method.refit()
    for params in method.grid:
        method.set(**params)
        weights = closed_form(binary(interactions(history, rows[:590])).toarray(), params["lambda_"])
        profile = profiles(
            history, queries, params["half_life"], params["by"], since="latest", tail=TAIL
        ).toarray()
        assert method.scores(queries) == pytest.approx(profile @ weights, rel=1e-3, abs=1e-3)
