"""Greedy extend: one question after the other, each the one whose answers, beside those that are there, help most.

(Golbandi, Koren and Lempel, "On bootstrapping recommender systems", CIKM 2010, extend a list by what the readout gains.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.learning.probes.interviews import Interviews
from streams.learning.probes.readout import Readout
from transfer.arrays import F64, I64


@dataclass(frozen=True, slots=True, eq=False)
class ChoosingPart:
    """Users who choose, and what answers mean by other users than these."""

    interviews: Interviews
    readout: Readout


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """The list."""

    questions: I64
    """(K',) rows of the readouts' `asked`, the first to be asked first"""
    gains: F64
    """(K',) what each added to the mean NDCG@10 of the users who choose"""


def extend(parts: Sequence[ChoosingPart], candidates: I64, count: int) -> Extended:
    """At most `count` of the candidates, fewer where no further one helps; of equally good ones the first. candidates: rows of
    the readouts' `asked`, which are the same in all parts."""
    scores = [part.readout.start(part.interviews) for part in parts]
    reached = [part.interviews.ndcg(score) for part, score in zip(parts, scores, strict=True)]
    people = max(sum(map(len, reached)), 1)
    left: list[int] = candidates.tolist()
    chosen: list[int] = []
    gains: list[float] = []
    while left and len(chosen) < count:
        gain = [_gain(parts, scores, reached, question) for question in left]
        best = int(np.argmax(np.round(gain, 9)))  # sums of other orders differ in their last digits
        if gain[best] <= 0:
            break
        question = left.pop(best)
        chosen.append(question)
        gains.append(gain[best] / people)
        for number, part in enumerate(parts):
            rows, added = part.readout.answered(part.interviews, question)
            scores[number][rows] += added
            reached[number][rows] = part.interviews.ndcg(scores[number][rows], rows)
    return Extended(np.array(chosen, np.int64), np.array(gains))


def _gain(
    parts: Sequence[ChoosingPart], scores: list[np.ndarray], reached: list[F64], question: int
) -> float:
    """Sum over the interviews of what the answers to one more question gain."""
    total = 0.0
    for part, score, before in zip(parts, scores, reached, strict=True):
        rows, added = part.readout.answered(part.interviews, question)
        if len(rows):
            total += float((part.interviews.ndcg(score[rows] + added, rows) - before[rows]).sum())
    return total
