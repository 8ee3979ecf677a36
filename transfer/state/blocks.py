"""Vectors of float64 as whole numbers of 32 bits with one exponent each: as small as float32, and a hundred times finer.

A sum is rounded at every write, and a user is written thousands of times. float32 loses 3e-8 of a component each time,
which adds up to more than 1e-6; here it is about 1e-9 of the vector's length. The exponent is one of two, so that what was
rounded once is not rounded again.
"""

import math

import numpy as np

from transfer.arrays import F64, I16, I32

BITS = 31
LARGEST = 2**BITS - 1
FEW = 8
FAINTEST = -900
"""Exponent below which a vector is none: 1e-271 of a click."""


def to_blocks(vectors: F64) -> tuple[I16, I32]:
    """Exponents (N,) and whole numbers (N, ...) of vectors (N, ...), finite.

    >>> exponent, whole = to_blocks(np.array([[0.5, -0.25], [0.0, 0.0]]))
    >>> from_blocks(exponent, whole).tolist()
    [[0.5, -0.25], [0.0, 0.0]]
    """
    flat = vectors.reshape(len(vectors), math.prod(vectors.shape[1:]))
    largest = _largest(flat)
    some = largest >= 2.0**FAINTEST
    exponent = np.where(some, np.frexp(largest)[1], 0)
    scale: F64 = np.where(some, np.ldexp(1.0, BITS - exponent), 0.0)
    whole = flat * scale[:, None]
    np.rint(whole, out=whole)
    np.clip(whole, -LARGEST, LARGEST, out=whole)
    return exponent.astype(np.int16), whole.astype(np.int32).reshape(vectors.shape)


def from_blocks(exponent: I16, whole: I32) -> F64:
    """The vectors (N, ...) float64."""
    step = np.ldexp(1.0, exponent.astype(np.int64) - BITS)
    vectors: F64 = whole.astype(np.float64)
    # In place: a second array of this size costs more than the product.
    vectors *= step.reshape(-1, *(1,) * (whole.ndim - 1))
    return vectors


def _largest(rows: F64) -> F64:
    """The largest magnitude in each row; 0 without any."""
    if rows.shape[1] > FEW:
        wide: F64 = np.maximum(rows.max(axis=1, initial=0.0), -rows.min(axis=1, initial=0.0))
        return wide
    # A reduction over a handful of neighbours costs several times what one over whole columns does.
    narrow: F64 = np.abs(np.ascontiguousarray(rows.T)).max(axis=0, initial=0.0)
    return narrow
