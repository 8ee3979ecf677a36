"""How good scores are on validation queries: for what a method chooses while it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.ranks import shallow_ranks
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

Choice = TypeVar("Choice")

_TARGETS = 2000
_BLOCK = 256


class Validation:
    """A fixed sample of the validation queries, of about 2,000 targets, in order of time."""

    def __init__(self, history: History, rows: I64, queries: Queries, targets: int = _TARGETS) -> None:
        """rows: those that the method learns from."""
        self._queries = queries.sample(targets * len(queries) // max(queries.targets, 1), seed=2)
        self._candidates = Candidates.after(history, rows, self._queries)

    def mean(self, scores: Callable[[Queries], F32]) -> float:
        """Mean of NDCG@10 over the targets; 0 where there are none."""
        total = 0.0
        for begin in range(0, len(self._queries), _BLOCK):
            part = self._queries.take(slice(begin, begin + _BLOCK))
            rank = shallow_ranks(scores(part), part, self._candidates)
            total += float(values(rank, HEADLINE).sum())
        return total / max(self._queries.targets, 1)


def best_choice(choices: Iterable[Choice], value: Callable[[Choice], float]) -> Choice:
    """The choice of the highest value; of equal ones the first.

    >>> best_choice([3, -1, 1], lambda choice: -abs(choice))
    -1
    """
    valued = [(value(choice), -number, choice) for number, choice in enumerate(choices)]
    return max(valued, key=lambda entry: entry[:2])[2]
