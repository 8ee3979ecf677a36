"""Interactions: the matrices of users (or baskets) and items that the classical methods factor and compare."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from streams.learning.history import History
from transfer.arrays import I64
from transfer.codes import NONE

Unit = Literal["user", "basket"]
"""Whose items a row of the matrix holds."""


def interactions(history: History, rows: I64, unit: Unit = "user") -> csr_array:
    """How often each user, or basket, had each item in the events `rows`: (R, N) float32 CSR, sorted columns.

    By user, R = len(history.users); by basket, the baskets that occur in `rows`, in the history's order.
    """
    rows = rows[history.item[rows] != NONE]
    if unit == "user":
        owner, count = history.user[rows].astype(np.int64), len(history.users)
    else:
        found = np.searchsorted(history.basket_starts, rows, side="right") - 1
        distinct, owner = np.unique(found, return_inverse=True)
        count = len(distinct)
    ones = np.ones(len(rows), np.float32)
    matrix = csr_array((ones, (owner, history.item[rows])), shape=(count, len(history.items)))
    matrix.sum_duplicates()
    return matrix


def binary(matrix: csr_array) -> csr_array:
    """The same matrix with 1 at every entry.

    >>> binary(csr_array(np.array([[2.0, 0.0], [0.0, 3.0]]))).toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def scaled_rows(matrix: csr_array, factor: np.ndarray) -> csr_array:
    """Each row times its factor (R,).

    >>> scaled_rows(csr_array(np.array([[2.0, 0.0], [1.0, 3.0]])), np.array([0.5, 2.0])).toarray().tolist()
    [[1.0, 0.0], [2.0, 6.0]]
    """
    data = matrix.data * np.repeat(factor, np.diff(matrix.indptr)).astype(matrix.dtype)
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def row_shares(matrix: csr_array) -> csr_array:
    """Each row divided by its sum; an empty row stays empty.

    >>> row_shares(csr_array(np.array([[1.0, 3.0], [0.0, 0.0]]))).toarray().tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    total = np.asarray(matrix.sum(axis=1)).reshape(-1)
    return scaled_rows(matrix, np.divide(1.0, total, out=np.zeros(len(total)), where=total > 0))


def unit_sparse_rows(matrix: csr_array) -> csr_array:
    """Each row divided by its Euclidean norm; an empty row stays empty.

    >>> unit_sparse_rows(csr_array(np.array([[3.0, 4.0]]))).toarray().round(2).tolist()
    [[0.6, 0.8]]
    """
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).reshape(-1))
    return scaled_rows(matrix, np.divide(1.0, norm, out=np.zeros(len(norm)), where=norm > 0))


def largest_of_rows(matrix: csr_array, count: int) -> csr_array:
    """Only the `count` largest entries of each row; of equal ones the lower column. Columns must be sorted.

    >>> largest_of_rows(csr_array(np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]])), 2).toarray().tolist()
    [[3.0, 0.0, 2.0], [1.0, 1.0, 0.0]]
    """
    sizes = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(sizes > count).tolist():
        begin, end = matrix.indptr[row : row + 2]
        data = matrix.data[begin:end]
        threshold = np.partition(data, len(data) - count)[len(data) - count]
        chosen = data > threshold
        chosen[np.flatnonzero(data == threshold)[: count - np.count_nonzero(chosen)]] = True
        kept[begin:end] = chosen
    offsets = np.append(0, np.cumsum(np.minimum(sizes, count)))
    return csr_array((matrix.data[kept], matrix.indices[kept], offsets), shape=matrix.shape)
