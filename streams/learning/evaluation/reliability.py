"""Reliability: whether what a method gives as probabilities happens as often as it says.

A method's score p of an item is the probability that the next target is this item. A basket of m targets that compete is m such
draws from one p, so that the item is expected m p times, and there once or not at all: a p that is fitted by the likelihood of
every target says just that. (An own item can't be drawn twice into a basket, so that no p may exceed 1 / m in truth; a model
that gives more is wrong by this measure, too.) Targets that do not compete are no draws.

Pairs of query and competing item are told apart by whether the item is the user's own (*again*) or not (*new*), and gathered
in bins of p of a sixteenth of an octave; deciles hold about a tenth of the predicted hits each, bins whole. (A reliability
diagram, Niculescu-Mizil & Caruana, ICML 2005, with equal masses instead of equal widths: nearly all pairs are near zero.)
Nothing is normalised again: what a method gives to items that do not compete is reported as leaked.

Log loss is -ln p of a target, against ln C, that of all C competing items alike. For *again* and *new* it is that of the part
alone: p over its sum among the user's own items, or among all others, against the logarithm of their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.ranks import own_places
from streams.learning.history import History
from streams.learning.queries import Queries, new_targets
from transfer.arrays import F32, F64, I64, Bool
from transfer.codes import NONE

KINDS = ("again", "new")
ENOUGH = 100
"""Hits from which on a decile says something."""
DECILES = 10
OCTAVES = 40
PER_OCTAVE = 16
FLOOR = 2.0**-OCTAVES
"""Log loss of a target of less than this, zero included, is that of this: its logarithm may be infinite."""
BINS = OCTAVES * PER_OCTAVE + 2
"""The first for what is below `FLOOR`, the last for 1 and above."""
_SHIFT = (
    23 - 4
)  # a float32's bits without the sign ascend with it; 4 of its 23 bits of fraction are a 16th of an octave
_BEFORE_FLOOR = ((127 - OCTAVES) << 4) - 1
DRAWS, PREDICTED, HITS = range(3)
"""Places in `Reliability.bins`."""
TARGETS, ZERO, LOSS, UNIFORM = range(4)
"""Places in `Reliability.sums`."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was counted."""

    bins: F64
    """(2, 3, BINS) of again and new: draws (pairs, each as often as its query has targets), predicted hits, hits"""
    sums: F64
    """(3, 4) of again, new and all: targets, those of less than `FLOOR`, sum of log loss, and of that of uniform shares"""
    leaked: float
    """predicted hits of items that do not compete"""

    @property
    def packed(self) -> F64:
        """All of it as one array (6 `BINS` + 13,)."""
        return np.concatenate([self.bins.reshape(-1), self.sums.reshape(-1), [self.leaked]])


def unpacked(packed: F64) -> Reliability:
    """What `packed` was of, or what several together were of whose sum this is.

    >>> one = Reliability(np.ones((2, 3, BINS)), np.ones((3, 4)), 1.0)
    >>> unpacked(one.packed + one.packed).leaked
    2.0
    """
    bins, sums, leaked = np.split(packed, [6 * BINS, 6 * BINS + 12])
    return Reliability(bins.reshape(2, 3, BINS), sums.reshape(3, 4), float(leaked[0]))


class ReliabilityTally:
    """Counts block by block, in little memory."""

    def __init__(self, history: History, candidates: Candidates, first: I64) -> None:
        """first: `first_rows(history)`."""
        self._history, self._candidates, self._first = history, candidates, first
        self._bins = np.zeros((2, 3, BINS))
        self._sums = np.zeros((3, 4))
        self._leaked = 0.0

    def add(self, scores: F32, queries: Queries) -> None:
        """scores (Q, N) float32: probabilities of all items."""
        new = new_targets(queries, self._first)
        for query in range(len(queries)):
            competing = self._candidates.at(int(queries.scenario[query]), float(queries.time[query]))
            begin, end = queries.target_offsets[query : query + 2]
            target = competing.places(queries.target_item[begin:end])
            kept = target != NONE
            if kept.any():
                row = scores[query][competing.codes]
                own = own_places(self._history, queries, query, competing, self._first)
                self._count(row, own, target[kept], new[begin:end][kept])
                self._leaked += int(kept.sum()) * max(_total(scores[query]) - _total(row), 0.0)

    def result(self) -> Reliability:
        """Of all blocks so far."""
        return Reliability(self._bins.copy(), self._sums.copy(), float(self._leaked))

    def _count(self, row: F32, own: I64, target: I64, new: Bool) -> None:
        draws = len(target)
        mine = row[own]
        again_counts = np.stack([np.bincount(bin_of(mine), weights, BINS) for weights in (None, mine)])
        every = bin_of(row)
        counts = np.stack([np.bincount(every, weights, BINS) for weights in (None, row)])
        self._bins[0, :HITS] += draws * again_counts
        self._bins[1, :HITS] += draws * np.maximum(counts - again_counts, 0)
        self._bins[:, HITS] += np.stack(
            [np.bincount(every[target[chosen]], minlength=BINS) for chosen in (~new, new)]
        )
        others = row.copy()
        others[own] = 0
        sizes = len(own), len(row) - len(own), len(row)
        of_part = _total(mine), _total(others), 1.0
        for kind, chosen in enumerate((~new, new, np.ones(draws, np.bool_))):
            if chosen.any():
                share = row[target[chosen]] / max(of_part[kind], 1e-30)
                lost = -np.log(np.clip(share, FLOOR, 1.0))
                zero, uniform = np.count_nonzero(share < FLOOR), len(lost) * np.log(sizes[kind])
                self._sums[kind] += len(lost), zero, lost.sum(), uniform


def bin_of(probability: F32) -> I64:
    """The bin of each probability (K,) float32.

    >>> bin_of(np.array([0.0, 2.0**-40, 0.5, 1.0], np.float32)).tolist()
    [0, 1, 625, 641]
    """
    bits = np.ascontiguousarray(probability, np.float32).view(np.int32)
    return np.clip((bits >> _SHIFT).astype(np.int64) - _BEFORE_FLOOR, 0, BINS - 1)


@dataclass(frozen=True, slots=True)
class Decile:
    """Pairs that hold about a tenth of the predicted hits."""

    draws: float
    predicted: float
    hits: float

    @property
    def ratio(self) -> float:
        """Observed over predicted."""
        return self.hits / self.predicted if self.predicted else np.inf


def deciles(counted: Reliability, kind: str) -> list[Decile]:
    """From the lowest p on; fewer than ten where one bin holds more than a tenth."""
    draws, predicted, hits = counted.bins[KINDS.index(kind)]
    total = predicted.sum()
    if total <= 0:
        return []
    # A bin is where its middle is.
    place = np.minimum((np.cumsum(predicted) - predicted / 2) / total * DECILES, DECILES - 1).astype(np.int64)
    summed = [np.bincount(place, column, DECILES) for column in (draws, predicted, hits)]
    found = zip(*(column.tolist() for column in summed), strict=True)
    return [Decile(*one) for one in found if one[DRAWS] > 0]


def _total(row: F32) -> float:
    return float(row.sum(dtype=np.float64))
