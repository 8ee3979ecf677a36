"""Precision, recall, F1 and AUC of pairs of a user and an item: taken, or drawn by how often items are taken."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F64, I64, Bool
from transfer.codes import NONE


def drawn_pairs(
    history: History, queries: Queries, taken: I64, negatives: int, rng: np.random.Generator
) -> tuple[I64, I64, Bool]:
    """Pairs of the targets of queries, each with `negatives` items that its user has not had up to and in that basket.

    taken (K,): items as often as they are taken, of which negatives are drawn; those that the user knows are left out, so that
    a target may have fewer. Returns query (P,), item (P,) and whether the user took it (P,); those of a query together.
    """
    query, item, label = [], [], []
    drawn = (
        rng.choice(taken, (queries.targets, negatives)) if len(taken) else np.zeros((queries.targets, 0), int)
    )
    for number in range(len(queries)):
        begin, end = queries.target_offsets[number : number + 2]
        right = queries.target_item[begin:end]
        own = history.item[history.offsets[queries.user[number]] : queries.seen[number]]
        others = drawn[begin:end].reshape(-1)
        others = others[~np.isin(others, own) & ~np.isin(others, right)]
        both = np.concatenate([right, others]).astype(np.int64)
        query.append(np.full(len(both), number))
        item.append(both)
        label.append(np.arange(len(both)) < len(right))
    if not query:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return np.concatenate(query), np.concatenate(item), np.concatenate(label)


def taken_items(history: History, rows: I64) -> I64:
    """Items of the events `rows`, as often as they occur."""
    items: I64 = history.item[rows].astype(np.int64)
    kept: I64 = items[items != NONE]
    return kept


def best_threshold(scores: F64, taken: Bool) -> float:
    """The score from which on pairs are called taken with the highest F1; NaN counts as the lowest.

    >>> best_threshold(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]))
    2.0
    """
    if not taken.any():
        return np.inf
    values = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(taken[order])
    called = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (called + taken.sum())
    # Equal scores are called together.
    ends = np.append(np.diff(values[order]) != 0, True)
    return float(values[order][np.argmax(np.where(ends, f1, -1.0))])


def pair_figures(scores: F64, taken: Bool, threshold: float) -> dict[str, float]:
    """Of pairs (P,) that are called taken from `threshold` on; AUC needs none, ties count half.

    >>> pair_figures(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]), 2.0)
    {'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666, 'auc': 1.0}
    """
    values = np.where(np.isnan(scores), -np.inf, scores)
    called = values >= threshold
    right = float(np.count_nonzero(called & taken))
    positives, negatives = int(taken.sum()), int((~taken).sum())
    ranks = rankdata(values)
    above = float(ranks[taken].sum()) - positives * (positives + 1) / 2
    return {
        "precision": right / max(int(called.sum()), 1),
        "recall": right / max(positives, 1),
        "f1": 2 * right / max(int(called.sum()) + positives, 1),
        "auc": above / (positives * negatives) if positives and negatives else 0.5,
    }


def binary_cross_entropy(log_odds: F64, taken: Bool, shifted: bool = False) -> float:
    """Mean over pairs. shifted: after the one shift of all log odds that makes their mean probability the share of taken pairs.

    >>> round(binary_cross_entropy(np.array([0.0, 0.0]), np.array([True, False])), 3)
    0.693
    """
    clipped = np.clip(np.nan_to_num(log_odds, nan=-30.0), -30.0, 30.0)
    if shifted:
        share = float(taken.mean())
        low, high = -100.0, 100.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if _expit(clipped + middle).mean() < share else (low, middle)
        clipped = clipped + low
    return float(np.mean(np.logaddexp(0.0, clipped) - clipped * taken))


def _expit(values: F64) -> F64:
    result: F64 = 1 / (1 + np.exp(-values))
    return result
