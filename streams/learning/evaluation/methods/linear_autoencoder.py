"""The weights of EASE by the cheaper of two closed forms: over items, or over users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I64

_COLUMNS_AT_A_TIME = 4096


class ItemWeights(Protocol):
    """B = I - P / diag(P), P = (X'X + lambda I)^-1, without being written out where it needn't be."""

    def apply(self, profiles: csr_array) -> F32:
        """(Q, N) profiles times B, (Q, N) float32."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OverItems:
    """B itself, between the `items` that it covers (all where there are few)."""

    items: I64
    weights: F32
    """(len(items), len(items))"""

    def apply(self, profiles: csr_array) -> F32:
        """As `ItemWeights` says; items that are not covered get 0."""
        result = np.zeros(profiles.shape, np.float32)
        result[:, self.items] = profiles[:, self.items] @ self.weights
        return result


@dataclass(frozen=True, slots=True, eq=False)
class OverUsers:
    """The same B by the matrix inversion lemma: P = (I - X'K X) / lambda, K = (XX' + lambda I)^-1, for few users.

    Exact, and nothing of size N x N exists: x P = (x - x X' K X) / lambda.
    """

    matrix: csr_array
    """X, (U, N)"""
    inverse: F32
    """K, (U, U)"""
    lambda_: float
    diagonal: F64
    """(N,) of P"""

    def apply(self, profiles: csr_array) -> F32:
        """As `ItemWeights` says."""
        over_users = (profiles @ self.matrix.T).toarray() @ self.inverse
        dense = profiles.toarray()
        product = (dense - over_users @ self.matrix) / np.float32(self.lambda_)
        result: F32 = dense - product / self.diagonal.astype(np.float32)
        return result


def weights_of(matrix: csr_array, lambda_: float, max_items: int) -> ItemWeights:
    """Solve for users times items X (U, N). Without a user there is nothing to learn: all weights are 0.

    Where both users and items are more than `max_items`, the most frequent `max_items` items are covered.
    """
    users = np.flatnonzero(np.diff(matrix.indptr))
    matrix = matrix[users].astype(np.float32)
    count: F64 = np.asarray(matrix.sum(axis=0), np.float64).reshape(-1)
    if len(users) <= max_items and len(users) <= np.count_nonzero(count):
        return _over_users(matrix, lambda_)
    items = np.sort(np.argsort(-count, kind="stable")[:max_items])
    items = items[count[items] > 0]
    return OverItems(items, _item_weights(matrix[:, items], lambda_))


def _item_weights(matrix: csr_array, lambda_: float) -> F32:
    inverse = _inverse((matrix.T @ matrix).toarray(), lambda_)
    weights = inverse / -np.diagonal(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def _over_users(matrix: csr_array, lambda_: float) -> OverUsers:
    inverse = _inverse((matrix @ matrix.T).toarray(), lambda_)
    columns = matrix.tocsc()
    explained = np.empty(matrix.shape[1])
    for begin in range(0, len(explained), _COLUMNS_AT_A_TIME):
        part = columns[:, begin : begin + _COLUMNS_AT_A_TIME].tocsr()
        explained[begin : begin + part.shape[1]] = part.multiply(inverse @ part).sum(axis=0)
    # 1 - x_j'K x_j of a column x_j lies between lambda / (lambda + |x_j|^2) and 1.
    return OverUsers(matrix, inverse, lambda_, np.maximum(1.0 - explained, 1e-6) / lambda_)


def _inverse(gram: F32, lambda_: float) -> F32:
    """(gram + lambda I)^-1 of a symmetric matrix, by Cholesky; `gram` is overwritten.

    By torch, whose LAPACK is ten times as fast as the one that comes with SciPy.
    """
    import torch

    gram[np.diag_indices_from(gram)] += np.float32(lambda_)
    inverse: F32 = torch.cholesky_inverse(torch.linalg.cholesky(torch.from_numpy(gram))).numpy()
    return inverse
