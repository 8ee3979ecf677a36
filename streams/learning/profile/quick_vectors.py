"""Vectors of a log's items from co-occurrence, made in seconds: good enough to compare half-lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from encoders.behaviour import positive_pmi
from streams.learning.history import History
from transfer.arrays import F32, I32, I64, Bool
from transfer.codes import NONE

DIM = 64
WINDOW = 5
MOST_ITEMS = 20_000
SMOOTHING = 0.75
"""Power of the context distribution (Levy, Goldberg, Dagan 2015, "Improving distributional similarity")."""
POWER_STEPS = 2
_OVERSAMPLES = 16


@dataclass(frozen=True, slots=True, eq=False)
class QuickVectors:
    """Unit vectors of the items with most events."""

    place: I64
    """(N,) row of each item in `rows`, -1: it has none"""
    rows: F32
    """(M, DIM) float32"""


def quick_vectors(history: History, fit: Bool, rng: np.random.Generator) -> QuickVectors:
    """Truncated SVD of the positive PMI of items within `WINDOW` successive events of a user, weighted 1 / distance.

    `fit` (E,) says which events may be learned from. The SVD is a randomised one (Halko, Martinsson, Tropp 2011).
    """
    rows = np.flatnonzero(fit & (history.item >= 0))
    count = np.bincount(history.item[rows], minlength=len(history.items))
    kept = np.sort(np.argsort(-count, kind="stable")[: min(MOST_ITEMS, int((count > 0).sum()))])
    place = np.full(len(history.items), NONE, np.int64)
    place[kept] = np.arange(len(kept))
    rows = rows[place[history.item[rows]] >= 0]
    user, code = history.user[rows], place[history.item[rows]]
    association = positive_pmi(_co_occurrence(user, code, len(kept)), SMOOTHING)
    sketch = rng.standard_normal((len(kept), DIM + _OVERSAMPLES)).astype(np.float32)
    for _ in range(POWER_STEPS):
        sketch, _ = np.linalg.qr(association @ sketch)
    left, singular, _ = np.linalg.svd((association.T @ sketch).T, full_matrices=False)
    vectors = (sketch @ left)[:, :DIM] * np.sqrt(singular[:DIM])
    vectors -= vectors.mean(axis=0) if len(vectors) else 0.0
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return QuickVectors(place, np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 1e-9))


def _co_occurrence(user: I32, code: I64, items: int) -> csr_array:
    one, other, weight = [], [], []
    for distance in range(1, WINDOW + 1):
        same = user[distance:] == user[:-distance]
        one.append(code[distance:][same])
        other.append(code[:-distance][same])
        weight.append(np.full(int(same.sum()), 1.0 / distance, np.float32))
    a, b, w = np.concatenate(one), np.concatenate(other), np.concatenate(weight)
    half = csr_array(coo_array((w, (a, b)), shape=(items, items)))
    return csr_array(half + half.T)
