"""What values that are tried gain each user, and which of them is surely better than the usual one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from transfer.arrays import F32, F64, I64

CUT: Final = 10
SURE: Final = 2.0
"""Standard errors over users by which the best has to be better than none."""
ENOUGH: Final = 20
"""Users; fewer say nothing."""


@dataclass(slots=True)
class Gains:
    """NDCG@10 of targets at each of the K values that are tried, and whose they are."""

    values: list[F64] = field(default_factory=list)
    users: list[I64] = field(default_factory=list)

    def add(self, found: F64, users: I64) -> None:
        """(T, K) and (T,)."""
        self.values.append(found)
        self.users.append(users)

    def means(self) -> list[float]:
        """(K,), empty without a target."""
        found = np.concatenate(self.values) if self.values else np.zeros((0, 1))
        return found.mean(axis=0).round(5).tolist() if len(found) else []

    def per_user(self) -> tuple[F64, I64]:
        """(K, V) sums of each user's targets, and (V,) how many these are."""
        of_user, user = np.unique(np.concatenate(self.users), return_inverse=True)
        values = np.concatenate(self.values)
        sums: F64 = np.stack([np.bincount(user, column, len(of_user)) for column in values.T]).astype(
            np.float64
        )
        return sums, np.bincount(user, minlength=len(of_user)).astype(np.int64)


def target_gains(scores: F32, row: I64, column: I64) -> F64:
    """(T,) NDCG@10 of each target by itself among the (R, C) scores; equal ones count as a random order."""
    hit = scores[row, column][:, None]
    before = (scores[row] > hit).sum(axis=1) + ((scores[row] == hit).sum(axis=1) - 1) / 2
    found: F64 = np.where(before < CUT, 1 / np.log2(before + 2), 0.0)
    return found


def best_value(gains: Gains, among: range, usual: int) -> int:
    """Which value has the greatest mean; the usual one if that may be chance."""
    if not gains.values:
        return usual
    sums, count = gains.per_user()
    means = sums.sum(axis=1) / count.sum()
    best = max(among, key=lambda value: float(means[value]))
    # As in a bootstrap over users: the sum of each user's differences.
    difference = sums[best] - sums[usual]
    error = float(difference.std()) * np.sqrt(len(count)) / count.sum()
    sure = len(count) >= ENOUGH and means[best] - means[usual] > SURE * error
    return best if sure else usual
