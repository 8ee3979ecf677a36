"""HalfLifeSearch: what a method is fitted with and how fast profiles forget, chosen together for each slice family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.learning.evaluation.families import ALL, FAMILIES, Family
from streams.learning.evaluation.methods.validation import Adjustable, Validation

_STEP = 3
"""Every so many half-lives are tried with each way of fitting."""
_REACH = 2


class HalfLifeSearch:
    """Tries ways of fitting with every third half-life; the runner then tries those around the best.

    half_lives: all of them, in order.
    """

    def __init__(self, judge: Validation, half_lives: Sequence[Mapping[str, Any]]) -> None:
        self._judge, self._half_lives = judge, half_lives
        self._best: dict[tuple[Any, ...], dict[Family, int]] = {}

    def value(self, method: Adjustable, **fitted: Any) -> dict[Family, float]:
        """The highest value for each family of a method that was fitted as `fitted` says, which its `set` takes, too."""
        tried = self._half_lives[::_STEP]
        found = self._judge.each(method, [{**half_life, **fitted} for half_life in tried])
        self._best[tuple(fitted.values())] = {
            family: _STEP * int(np.argmax(of)) for family, of in found.items()
        }
        return {family: float(of.max()) for family, of in found.items()}

    def best(self, family: Family, **fitted: Any) -> Mapping[str, Any]:
        """The best half-life of those that were tried with `fitted`."""
        return self._half_lives[self._best[tuple(fitted.values())][family]]

    def grid(self, chosen: Mapping[Family, Mapping[str, Any]], **usual: Any) -> list[dict[str, Any]]:
        """Settings for the runner: what is chosen for each family, with the half-lives around the best one.

        usual: what else the half-lives were tried with.
        """
        out: list[dict[str, Any]] = []
        for family in FAMILIES:
            place = self._best[tuple({**chosen[family], **usual}.values())][family]
            near = self._half_lives[max(place - _REACH, 0) : place + _REACH + 1]
            out += [{**half_life, **chosen[family]} for half_life in near]
        return [entry for number, entry in enumerate(out) if entry not in out[:number]]

    def tried(self, **numbers: Sequence[float]) -> list[dict[str, Any]]:
        """All half-lives, and all numbers that a method was fitted with, for `families.edges_of`."""
        return [
            *(dict(half_life) for half_life in self._half_lives),
            *({name: value} for name, values in numbers.items() for value in values),
        ]


def distinct(chosen: Mapping[Family, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is chosen, each once; that of `all` first.

    >>> distinct({"all": {"k": 1}, "new": {"k": 1}})
    [{'k': 1}]
    """
    first = dict(chosen[ALL])
    return [first, *(dict(one) for one in chosen.values() if dict(one) != first)]
