"""A sample of questions from the validation part of a log: what comes next, given what is strictly earlier?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.profile.baskets import Baskets
from transfer.arrays import F64, I32, I64, Bool
from transfer.rows import offsets_of, sizes_of

LONGEST = 5000
"""Earlier events of a user that are looked at, the latest ones."""
MOST_EVENTS = 1_000_000
"""Earlier events of all questions: fewer questions where histories are long."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What questions are about, and what may be learned to answer them; both (E,) for the events of a history."""

    train: Bool
    validation: Bool

    def judged(self, baskets: Baskets) -> I64:
        """The baskets of the validation part."""
        return np.flatnonzero(self.validation[baskets.start])


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Q baskets of the validation part, with T distinct items in them and E earlier events of their users."""

    time: F64
    """(Q,) when each is asked"""
    earlier_offsets: I64
    """(Q + 1,) which of `earlier` belong to a question"""
    earlier: I64
    """(E,) rows of the history strictly before the question's basket, oldest first"""
    age_s: F64
    """(E,) time from each of them to the latest one of its question"""
    target_question: I64
    target_item: I32
    """`target_question` and `target_item`: (T,) ascending by question, then item"""
    known: Bool
    """(T,) the user had the item before"""
    fit: Bool
    """(rows of the history,) those of the training part; what is learned is learned on these"""

    def __len__(self) -> int:
        return len(self.earlier_offsets) - 1


def questions_of(
    history: History, baskets: Baskets, parts: Parts, most: int, rng: np.random.Generator
) -> Questions:
    """At most `most` baskets, drawn evenly from the validation part; none of them is its user's first."""
    chosen_baskets = parts.judged(baskets)
    chosen_baskets = chosen_baskets[~baskets.first[chosen_baskets]]
    chosen_baskets = rng.permutation(chosen_baskets)[:most]
    events = np.minimum(
        baskets.start[chosen_baskets] - history.offsets[baskets.user[chosen_baskets]], LONGEST
    )
    chosen_baskets = np.sort(chosen_baskets[np.cumsum(events) <= MOST_EVENTS])
    low = np.maximum(history.offsets[baskets.user[chosen_baskets]], baskets.start[chosen_baskets] - LONGEST)
    earlier, offsets = _ranges(low, baskets.start[chosen_baskets])
    latest = history.time[baskets.start[chosen_baskets] - 1]
    targets, target_offsets = _ranges(baskets.start[chosen_baskets], baskets.end[chosen_baskets])
    items = len(history.items)
    asked = (
        np.repeat(np.arange(len(chosen_baskets)), sizes_of(target_offsets)) * items + history.item[targets]
    )
    asked = np.unique(asked[history.item[targets] >= 0])
    question = np.repeat(np.arange(len(chosen_baskets)), sizes_of(offsets))
    had = question * items + history.item[earlier]
    return Questions(
        time=baskets.time[chosen_baskets],
        earlier_offsets=offsets,
        earlier=earlier,
        age_s=latest[question] - history.time[earlier],
        target_question=asked // max(items, 1),
        target_item=(asked % max(items, 1)).astype(np.int32),
        known=np.isin(asked, had[history.item[earlier] >= 0]),
        fit=parts.train,
    )


def mean_by_question(values: F64, question: I64, questions: int) -> F64:
    """Mean of the values of each question that has any, (<= questions,) float64.

    Means by question and not by target: else one basket of hundreds of items would decide.

    >>> mean_by_question(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 2]), 4).tolist()
    [0.5, 1.0]
    """
    count = np.bincount(question, minlength=questions)
    total = np.bincount(question, values, minlength=questions)
    means: F64 = total[count > 0] / count[count > 0]
    return means


def gain(ahead: I64, tied: I64 | int = 0) -> F64:
    """NDCG@10 of one relevant item behind `ahead` (T,) others, the mean over all orders with `tied` more of its own score.

    The ideal DCG is 1. As `transfer.training.gains`, without torch.

    >>> gain(np.array([0, 2, 10])).round(4).tolist()
    [1.0, 0.5, 0.0]
    >>> gain(np.array([0]), np.array([1])).round(4).tolist()  # (1 + 1 / log2(3)) / 2
    [0.8155]
    """
    sums = np.append(0.0, np.cumsum(1.0 / np.log2(np.arange(10) + 2.0)))
    gains: F64 = (sums[np.minimum(ahead + tied + 1, 10)] - sums[np.minimum(ahead, 10)]) / (tied + 1)
    return gains


def _ranges(low: I64, high: I64) -> tuple[I64, I64]:
    """All of low[i]:high[i], one range after the other, and their offsets."""
    sizes = high - low
    offsets = offsets_of(sizes)
    rows = np.arange(offsets[-1]) + np.repeat(low - offsets[:-1], sizes)
    return rows, offsets
