"""Paired bootstrap over users: how sure a difference between two methods is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.result import Result
from streams.learning.evaluation.slices import Slice
from transfer.arrays import F64, I32

DRAWS = 1000
CORRECTED_DRAWS = 10 * DRAWS
"""So many that the tail of a corrected interval is known."""
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
    (found,) = paired_differences(user, value, [other], draws, seed, (level,))
    return found[0]


def paired_differences(
    user: I32,
    value: F64,
    others: Sequence[F64],
    draws: int = DRAWS,
    seed: int = 0,
    levels: Sequence[float] = (0.95,),
) -> list[list[Interval]]:
    """As `paired_difference` from each of K others, at each level: the draws are made once for all of them."""
    users, code = np.unique(user, return_inverse=True)
    counts = np.bincount(code).astype(np.float64)
    sums = np.stack([np.bincount(code, value - other) for other in others], axis=1)
    size, rng = len(users), np.random.default_rng(seed)
    means = np.empty((draws, len(others)))
    step = max(CHUNK // size, 1)
    for begin in range(0, draws, step):
        part = min(step, draws - begin)
        drawn = rng.integers(0, size, (part, size)) + np.arange(part)[:, None] * size
        often = np.bincount(drawn.reshape(-1), minlength=part * size).reshape(part, size).astype(np.float64)
        means[begin : begin + part] = (often @ sums) / (often @ counts)[:, None]
    found = sums.sum(axis=0) / counts.sum()
    out = []
    for number, difference in enumerate(found.tolist()):
        tails = [tail for level in levels for tail in ((1 - level) / 2, (1 + level) / 2)]
        ends = np.quantile(means[:, number], tails).reshape(-1, 2).tolist()
        out.append([Interval(difference, low, high, size) for low, high in ends])
    return out


def corrected_level(comparisons: int, level: float = 0.95) -> float:
    """Of each interval, for all of them to hold together at `level` (Bonferroni): no assumption on how slices overlap.

    >>> round(corrected_level(5), 3)
    0.99
    """
    return 1 - (1 - level) / max(comparisons, 1)
