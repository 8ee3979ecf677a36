"""Paired bootstrap over users: how sure a difference between two methods is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.result import Result
from streams.learning.evaluation.slices import Slice
from transfer.arrays import F64, I32

DRAWS = 1000
CHUNK = 2**22
"""Draws times users that are held at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of means and its percentile interval (95 % where nothing else is asked for); `users` were resampled."""

    difference: float
    low: float
    high: float
    users: int


def per_target(result: Result, part: Slice, name: str = HEADLINE) -> F64:
    """(T',) the measure of each target of a slice, the mean over the seeds."""
    rank = result.without_own if part.without_own else result.rank
    mean: F64 = values(rank[:, part.chosen], name).mean(axis=0)
    return mean


def paired_difference(
    user: I32, value: F64, other: F64, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Interval:
    """The mean of `value` - `other` over targets, and how it varies when users are drawn with replacement.

    All arrays are (T,). A user's targets are drawn together, since they are alike; each draw has as many users as the
    slice, and its mean is over the targets drawn (a ratio of sums). Percentile interval (Efron & Tibshirani 1993, ch. 13).

    >>> paired_difference(np.array([0, 0, 1]), np.array([1.0, 1.0, 1.0]), np.zeros(3)).low
    1.0
    """
    users, code = np.unique(user, return_inverse=True)
    sums = np.bincount(code, value - other)
    counts = np.bincount(code).astype(np.float64)
    rng = np.random.default_rng(seed)
    means = []
    left = draws
    while left:
        size = min(left, max(CHUNK // len(users), 1))
        drawn = rng.integers(0, len(users), (size, len(users)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
        left -= size
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), len(users))
