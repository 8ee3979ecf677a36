"""Rows of length 1."""

import numpy as np

from encoders.arrays import F32


def unit_rows(vectors: F32) -> F32:
    """The same rows (N, D) at length 1; what is zero, but for rounding, becomes zeros.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: F32 = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-6)
    return unit
