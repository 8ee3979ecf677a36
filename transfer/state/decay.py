"""Exponential forgetting."""

import numpy as np

from transfer.arrays import F64


def decay(elapsed_s: F64, half_lives_s: F64) -> F64:
    """Factor that is left of a term after a time: 2^(-elapsed / half-life).

    Args:
        elapsed_s: (N,) float64, not negative.
        half_lives_s: (K,) float64.

    Returns:
        (N, K) float64 in [0, 1]. A very long time gives 0, never NaN.

    >>> decay(np.array([0.0, 60.0, 1e300]), np.array([60.0, 120.0])).round(4).tolist()
    [[1.0, 1.0], [0.5, 0.7071], [0.0, 0.0]]
    """
    with np.errstate(under="ignore", over="ignore"):
        return np.exp2(-elapsed_s[:, None] / half_lives_s)


def elapsed(since_s: F64, until_s: F64) -> F64:
    """Seconds from `since_s` to `until_s`, both (U,); 0 where nothing has happened yet (`since_s` = -inf).

    >>> elapsed(np.array([-np.inf, 10.0]), np.array([-np.inf, 15.0])).tolist()
    [0.0, 5.0]
    """
    return np.subtract(until_s, since_s, out=np.zeros_like(until_s), where=np.isfinite(since_s))
