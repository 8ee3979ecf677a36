"""Interviews: of each user one half of the items as answers, and what is liked of the other half to be foreseen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.probes.opinions import Opinions
from transfer.arrays import F32, F64, I64, Bool
from transfer.codes import NONE

CUT = 10
"""NDCG looks at so many items."""
DISCOUNT: F64 = 1 / np.log2(np.arange(2, CUT + 2))
IDEAL: F64 = np.append(0.0, DISCOUNT.cumsum())


@dataclass(frozen=True, slots=True, eq=False)
class Interviews:
    """I users who have an answer and a target, over M items."""

    user: I64
    """(I,)"""
    known: Bool
    """(I, M) the answer half: no method ranks any of it, asked or not"""
    liked: Bool
    """(I, M) of these, what is liked"""
    target: Bool
    """(I, M) what is liked of the other half"""
    ideal: F64
    """(I,) DCG of a perfect list; targets that are none of the M items count, and are misses"""

    def __len__(self) -> int:
        return len(self.user)

    def ndcg(self, scores: F32, chosen: I64 | None = None) -> F64:
        """(I,) NDCG@10 of the items ranked by scores (I, M), the answer half left out. chosen: (C,) the interviews whose scores
        they are; None: all."""
        rows: I64 | slice = slice(None) if chosen is None else chosen
        left = np.where(self.known[rows], -np.inf, scores)
        row = np.arange(len(left))[:, None]
        cut = min(CUT, left.shape[1])
        best = np.sort(np.argpartition(-left, cut - 1, axis=1)[:, :cut], axis=1)
        best = best[row, np.argsort(-left[row, best], axis=1, kind="stable")]
        hit = self.target[rows][row, best] & np.isfinite(left[row, best])
        gain: F64 = (hit * DISCOUNT[:cut]).sum(axis=1) / self.ideal[rows]
        return gain


def interviews_of(opinions: Opinions, liked: Bool, answer: Bool, items: I64) -> Interviews:
    """One for each user of the opinions who has an answer and a target among `items` (M,).

    liked, answer: (P,) of the opinions; those that are no answers and liked are targets.
    """
    users, row = np.unique(opinions.user, return_inverse=True)
    column = opinions.columns(items)
    target = liked & ~answer
    shape = (len(users), len(items))
    known, likes, targets = (np.zeros(shape, np.bool_) for _ in range(3))
    for matrix, chosen in ((known, answer), (likes, answer & liked), (targets, target)):
        inside = chosen & (column != NONE)
        matrix[row[inside], column[inside]] = True
    ideal = IDEAL[np.minimum(np.bincount(row[target], minlength=len(users)), CUT)]
    kept = known.any(axis=1) & targets.any(axis=1)
    return Interviews(users[kept], known[kept], likes[kept], targets[kept], ideal[kept])


def stacked_interviews(parts: list[Interviews]) -> Interviews:
    """All of them, over the same items."""
    return Interviews(
        np.concatenate([part.user for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.liked for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.ideal for part in parts]),
    )
