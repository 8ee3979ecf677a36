"""How good scores are on validation queries: for what a method chooses while it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from streams.evaluation.metrics import HEADLINE, values
from streams.evaluation.queries import Queries, first_times
from streams.evaluation.ranks import Candidates, rank_targets
from streams.history import History
from transfer.arrays import F32

Choice = TypeVar("Choice")

_QUERIES = 1000
_BLOCK = 256


class Validation:
    """A fixed sample of at most 1,000 validation queries, in order of time."""

    def __init__(self, history: History, queries: Queries, size: int = _QUERIES) -> None:
        self._history = history
        self._queries = queries.sample(size, seed=2)
        self._candidates = Candidates(history)
        self._first = first_times(history)

    def mean(self, scores: Callable[[Queries], F32]) -> float:
        """Mean of NDCG@10 over the targets; 0 where there are none."""
        total = 0.0
        for begin in range(0, len(self._queries), _BLOCK):
            part = self._queries.take(slice(begin, begin + _BLOCK))
            ranked = rank_targets(
                scores(part), part, self._candidates, self._history, self._first, lists=False
            )
            total += float(values(ranked.rank, HEADLINE).sum())
        return total / max(self._queries.targets, 1)


def best(choices: Iterable[Choice], value: Callable[[Choice], float]) -> Choice:
    """The choice of the highest value; of equal ones the first.

    >>> best([3, -1, 1], lambda choice: -abs(choice))
    -1
    """
    valued = [(value(choice), -number, choice) for number, choice in enumerate(choices)]
    return max(valued, key=lambda entry: entry[:2])[2]
