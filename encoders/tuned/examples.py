"""WordExamples: users in words and the items that they took next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.arrays import F32, I64


@dataclass(frozen=True, slots=True, eq=False)
class WordExamples:
    """E positives on N items."""

    words: Callable[[I64], list[str]]
    """the users' words of examples (B,), as of right before them"""
    item: I64
    """(E,) codes of what was taken"""
    owner: I64
    """(E,) codes of the users"""
    texts: Sequence[str]
    """(N,) items in words; "" for those that have none, which are in no example"""
    candidates: I64
    """codes of the items that are drawn as negatives"""

    @property
    def shares(self) -> F32:
        """(N,) share of each item among the positives."""
        counts = np.bincount(self.item, minlength=len(self.texts)).astype(np.float32)
        shares: F32 = counts / max(float(counts.sum()), 1.0)
        return shares

    def epoch(self, rng: np.random.Generator, most: int) -> I64:
        """Examples in random order, at most `most` of each user, which are drawn again for each epoch."""
        order = rng.permutation(len(self.item))
        by_user = order[np.argsort(self.owner[order], kind="stable")]
        owner = self.owner[by_user]
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        sizes = np.diff(np.append(starts, len(owner)))
        place = np.arange(len(owner)) - np.repeat(starts, sizes)
        chosen = by_user[place < most]
        found: I64 = chosen[rng.permutation(len(chosen))]
        return found
