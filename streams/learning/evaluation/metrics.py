"""Measures of ranks (one relevant item for each target) and of lists."""

from __future__ import annotations

import numpy as np

from transfer.arrays import F64, I32, I64

CUTOFFS = (10, 20)
HEADLINE = "ndcg@10"
"""What is tuned on, compared and bootstrapped."""


def values(rank: I32, name: str) -> F64:
    """(T,) float64 value of each target for a measure such as "ndcg@10".

    One item is relevant, so that the ideal DCG is 1: ndcg = 1 / log2(1 + rank), recall (hit rate) = 1, precision = 1 / k,
    f1 = 2 / (k + 1), mrr = 1 / rank; each 0 beyond k (Jaervelin & Kekaelaeinen 2002). Ranks start at 1.

    >>> values(np.array([1, 3, 11]), "ndcg@10").tolist()
    [1.0, 0.5, 0.0]
    """
    kind, _, cutoff = name.partition("@")
    k = int(cutoff)
    hit = ((rank >= 1) & (rank <= k)).astype(np.float64)
    at: I32 = np.maximum(rank, 1)
    match kind:
        case "ndcg":
            gain: F64 = hit / np.log2(1 + at)
            return gain
        case "recall":
            return hit
        case "precision":
            return hit / k
        case "f1":
            return hit * 2 / (k + 1)
        case "mrr":
            return hit / at
    raise ValueError(f"unknown measure {name!r}")


NAMES = tuple(f"{kind}@{k}" for k in CUTOFFS for kind in ("ndcg", "recall", "precision", "f1", "mrr"))


def all_means(rank: I32) -> dict[str, float]:
    """The mean of every measure over the targets.

    >>> all_means(np.array([1, 21]))["recall@20"]
    0.5
    """
    return {name: float(values(rank, name).mean()) for name in NAMES}


def coverage(top: I32, candidates: int) -> float:
    """Share of the candidates that are in any list of `top` (Q, K).

    >>> coverage(np.array([[0, 1], [1, -1]]), 4)
    0.5
    """
    return len(np.unique(top[top >= 0])) / max(candidates, 1)


def gini(counts: I64) -> float:
    """Gini coefficient of how often each candidate is in a list: 0 all alike, towards 1 few have everything.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    ordered = np.sort(counts).astype(np.float64)
    total, n = ordered.sum(), len(ordered)
    if total == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def popularity_bias(top: I32, popularity: I64) -> float:
    """Mean percentile of the listed items by `popularity` (N,) counts: .5 without bias, 1 only the most popular.

    Items with equal counts share the middle of their percentiles; items never counted are left out of the scale.

    >>> popularity_bias(np.array([[2, -1]]), np.array([1, 2, 3, 0]))
    0.8333333333333334
    """
    scale = np.sort(popularity[popularity > 0])
    listed = popularity[top[top >= 0]]
    if not len(scale) or not len(listed):
        return 0.0
    below, upto = np.searchsorted(scale, listed), np.searchsorted(scale, listed, side="right")
    return float(((below + upto) / (2 * len(scale))).mean())
