"""How good scores are on validation queries: for what a method chooses while it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.families import ALL, FAMILIES, Family, best_of_each
from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.ranks import own_columns, shallow_family_ranks
from streams.learning.history import History
from streams.learning.queries import Queries, first_rows, new_targets
from transfer.arrays import F32, F64, I64

Choice = TypeVar("Choice")

_TARGETS = 2000
_BLOCK = 256
_MARGIN = 0.01
"""By so much (relative) a setting has to be better for new items to be worth another fit."""


class Adjustable(Protocol):
    """A fitted method with settings of its own (`base.Tunable`)."""

    def set(self, *_: Any, **params: Any) -> None:
        """Use these settings from now on."""
        ...

    def scores(self, queries: Queries) -> F32:
        """As `base.Method` says."""
        ...


class Validation:
    """A fixed sample of the validation queries, of about 2,000 targets, in order of time.

    Values are means of NDCG@10 for each slice family, 0 where there are no targets.
    """

    def __init__(self, history: History, rows: I64, queries: Queries, targets: int = _TARGETS) -> None:
        """rows: those that the method learns from."""
        queries = queries.sample(targets * len(queries) // max(queries.targets, 1), seed=2)
        first = first_rows(history)
        fresh = int(np.count_nonzero(new_targets(queries, first)))
        self._count = dict(zip(FAMILIES, (max(queries.targets, 1), max(fresh, 1)), strict=True))
        self._candidates = Candidates.after(history, rows, queries)
        self._parts = [queries.take(slice(begin, begin + _BLOCK)) for begin in range(0, len(queries), _BLOCK)]
        self._own = [own_columns(part, self._candidates, history, first) for part in self._parts]

    def means(self, scores: Callable[[Queries], F32]) -> dict[Family, float]:
        """The value of these scores for each family."""
        found = self._each([scores])
        return {family: float(of[0]) for family, of in found.items()}

    def mean(self, scores: Callable[[Queries], F32]) -> float:
        """The value of these scores for all targets."""
        return self.means(scores)[ALL]

    def each(self, method: Adjustable, settings: Sequence[Mapping[str, Any]]) -> dict[Family, F64]:
        """(C,) values of a fitted method with each of C settings."""

        def scored(params: Mapping[str, Any]) -> Callable[[Queries], F32]:
            def scores(queries: Queries) -> F32:
                method.set(**params)
                return method.scores(queries)

            return scores

        return self._each([scored(params) for params in settings])

    def _each(self, settings: Sequence[Callable[[Queries], F32]]) -> dict[Family, F64]:
        sums = {family: np.zeros(len(settings)) for family in FAMILIES}
        for part, own in zip(self._parts, self._own, strict=True):
            for number, scores in enumerate(settings):
                for family, rank in shallow_family_ranks(scores(part), part, self._candidates, own).items():
                    sums[family][number] += values(rank, HEADLINE).sum()
        return {family: of / self._count[family] for family, of in sums.items()}


def best_choices(
    choices: Sequence[Choice], value: Callable[[Choice], Mapping[Family, float]], margin: float = _MARGIN
) -> dict[Family, Choice]:
    """The choice of the highest value for each family; of equal ones that of `all`, then the first.

    >>> best_choices([3, -1, 1], lambda choice: {"all": -abs(choice), "new": choice})
    {'all': -1, 'new': 3}
    """
    found = [value(choice) for choice in choices]
    return best_of_each(
        choices, {family: np.array([one[family] for one in found]) for family in FAMILIES}, margin
    )


def best_numbers(
    first: Sequence[float], value: Callable[[float], Mapping[Family, float]], least: float, most: float
) -> tuple[dict[Family, float], list[float]]:
    """The best number of each family, and all that were tried: those of `first` (ascending, at least two) and, as long as the
    best of a family is the first or last of them, one more beyond it, in the same ratio, within `least` and `most`.

    >>> best_numbers([1.0, 10.0], lambda number: {"all": -abs(number - 300.0), "new": number}, 1.0, 1000.0)
    ({'all': 100.0, 'new': 1000.0}, [1.0, 10.0, 100.0, 1000.0])
    """
    tried = {number: value(number) for number in first}
    while True:
        ordered = sorted(tried)
        best = best_choices(ordered, tried.__getitem__)
        wanted = set()
        if ordered[0] in best.values():
            wanted.add(ordered[0] ** 2 / ordered[1])
        if ordered[-1] in best.values():
            wanted.add(ordered[-1] ** 2 / ordered[-2])
        wanted = {number for number in wanted if least * 0.99 <= number <= most * 1.01}
        if not wanted:
            return best, ordered
        tried |= {number: value(number) for number in wanted}


def around(settings: Sequence[Choice], place: int, reach: int = 2) -> list[Choice]:
    """Those near a place in a list of settings in order.

    >>> around("abcdefg", 1)
    ['a', 'b', 'c', 'd']
    """
    return list(settings[max(place - reach, 0) : place + reach + 1])
