"""Neighbours against dense references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from streams.learning.evaluation.methods import knn
from streams.learning.evaluation.methods.base import profiles
from streams.learning.evaluation.methods.interactions import binary, interactions, largest_of_rows
from streams.learning.evaluation.methods.knn import ItemKNN, UserKNN, nearest_items
from streams.learning.evaluation.methods.own import TAIL
from streams.learning.queries import open_queries
from support.data.histories import random_history


def nearest_reference(matrix: np.ndarray, count: int, shrinkage: float) -> np.ndarray:
    """Plain loops: the largest shrunk cosines of each item with others, the lower item first."""
    together, size = matrix.T @ matrix, matrix.sum(axis=0)
    out = np.zeros_like(together)
    for item in range(len(size)):
        alike = together[item] / np.maximum(np.sqrt(size[item] * size) + shrinkage, 1e-9)
        alike[item] = 0
        kept = np.argsort(-alike, kind="stable")[:count]
        out[item, kept] = alike[kept]
    return out


def test_neighbours_of_items_are_the_largest_cosines(monkeypatch: pytest.MonkeyPatch):
    """Block by block, for several shrinkages at once: the cosines that plain loops over a dense matrix find."""
    monkeypatch.setattr(knn, "_PRODUCTS_AT_A_TIME", 300)
    matrix = (np.random.default_rng(0).random((30, 25)) < 0.2).astype(np.float32)
    found = nearest_items(csr_array(matrix), 4, [0.0, 10.0])
    for neighbours, shrinkage in zip(found, (0.0, 10.0), strict=True):
        assert neighbours.toarray() == pytest.approx(nearest_reference(matrix, 4, shrinkage), abs=1e-6)


def test_the_largest_of_each_row_are_kept():
    """As many as asked for, fewer where a row has fewer, and of equal ones the lower columns."""
    rng = np.random.default_rng(1)
    dense = rng.integers(0, 4, (20, 15)).astype(np.float32)
    found = largest_of_rows(csr_array(dense), 5).toarray()
    for row, kept in zip(dense, found, strict=True):
        places = np.argsort(-row, kind="stable")[:5]
        expected = np.zeros_like(row)
        expected[places] = row[places]
        assert kept.tolist() == expected.tolist()


def test_item_scores_are_sums_of_cosines():
    """A profile times the neighbours, with or without an item's likeness to itself."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")[:450]
    queries = open_queries(history, np.arange(450, 550))
    method = ItemKNN()
    method.fit(history, rows, queries)
    own = profiles(history, queries, 4.0, "count", since="latest", tail=TAIL).toarray()
    for params in method.grid:
        method.set(**{**params, "half_life": 4.0, "by": "count"})
        matrix = binary(interactions(history, rows, params["unit"]))
        (neighbours,) = nearest_items(matrix, params["k"], [params["shrinkage"]])
        expected = own @ (neighbours.toarray() + params["itself"] * np.eye(30))
        assert method.scores(queries) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_user_scores_are_what_like_users_had():
    """Cosines of the profile with every user, the user left out, the k largest times those users' items."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")[:450]
    queries = open_queries(history, np.arange(450, 550))
    method = UserKNN()
    method.fit(history, rows, queries)
    method.set(half_life=None, by="time", k=3, itself=False)
    users = np.log1p(interactions(history, rows).toarray())
    users /= np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-9)
    own = profiles(history, queries).toarray()
    alike = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-9) @ users.T
    for row, user, scores in zip(alike, queries.user.tolist(), method.scores(queries), strict=True):
        row[user] = 0
        best = np.argsort(-row, kind="stable")[:3]
        assert scores == pytest.approx(row[best] @ users[best], abs=1e-4)
