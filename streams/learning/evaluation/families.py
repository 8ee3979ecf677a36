"""Slice families: slices are judged with the user's own items in the list, or without; settings are chosen for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import numpy as np

from transfer.arrays import F64

Family = Literal["all", "new"]
ALL: Final = "all"
"""All targets, the user's own items left in the list."""
NEW: Final = "new"
"""Targets that are new to the user, the user's own items taken out of the list."""
FAMILIES: Final[tuple[Family, ...]] = (ALL, NEW)

Choice = TypeVar("Choice")


def best_of_each(
    choices: Sequence[Choice], values: Mapping[Family, F64], margin: float = 0.0
) -> dict[Family, Choice]:
    """The choice of the highest value for each family; of equal ones that of `all`, then the first.

    values: (C,) for each family. margin: another choice than that of `all` must be better by this part of its own value.

    >>> best_of_each("abc", {"all": np.array([1.0, 2.0, 0.0]), "new": np.array([0.0, 3.0, 3.0])})
    {'all': 'b', 'new': 'b'}
    >>> best_of_each("abc", {"all": np.array([1.0, 2.0, 0.0]), "new": np.array([3.0, 0.0, 3.0])})
    {'all': 'b', 'new': 'a'}
    """
    first = int(np.argmax(values[ALL]))
    return {
        family: choices[first if of[first] >= of.max() * (1 - margin) else int(np.argmax(of))]
        for family, of in values.items()
    }


def edges_of(grid: Sequence[Mapping[str, Any]], chosen: Mapping[Family, Mapping[str, Any]]) -> list[str]:
    """The chosen numbers that are the least or greatest of three or more that were tried, as `name value (family)`.

    Numbers are compared within entries of equal texts (such as `by`), if they have them; None stands beyond the greatest.

    >>> grid = [{"backoff": 1.0}, {"backoff": 10.0}, {"backoff": 100.0}]
    >>> edges_of(grid, {"all": {"backoff": 100.0}, "new": {"backoff": 10.0}})
    ['backoff 100 (all)']

    Settings that are no numbers have no edge:

    >>> edges_of([{"other": {"backoff": 1.0}}], {"all": {"other": {"backoff": 1.0}}})
    []
    """
    found: dict[str, list[str]] = {}
    for family, params in chosen.items():
        texts = {name: value for name, value in params.items() if isinstance(value, str)}
        alike = [
            entry for entry in grid if all(entry.get(name, text) == text for name, text in texts.items())
        ]
        for name, value in params.items():
            if not _is_number(value):
                continue
            tried = {entry[name] for entry in alike if name in entry}
            if any(name in entry and entry[name] is None for entry in grid):
                tried.add(None)
            numbers = sorted(float(one) for one in tried if one is not None and _is_number(one))
            ends = numbers[:1] if None in tried else [*numbers[:1], *numbers[-1:]]
            if len(tried) >= 3 and value in ends:
                found.setdefault(f"{name} {value:g}", []).append(family)
    return [f"{what} ({', '.join(families)})" for what, families in found.items()]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
