"""Numbers that may weigh an event: how many, for how much, for how long."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.events.ids import RowRejects
from streams.events.times import is_number
from transfer.arrays import F64

_NOTHING = type(None)


def measure_of(value: Any) -> float | None:
    """A finite number, or the text of one; None for anything else.

    >>> measure_of(2), measure_of("9.99"), measure_of(True), measure_of("nan")
    (2.0, 9.99, None, None)
    """
    if isinstance(value, bool) or (isinstance(value, str) and not is_number(value)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def measure_column(values: list[Any], name: str, start: int, rejects: RowRejects) -> F64:
    """(B,) numbers, NaN for null, "" and NaN; what is no number costs its record, `start` + its place."""
    kinds = set(map(type, values))
    if kinds <= {float, _NOTHING}:
        column = np.array(values, np.float64)
        if not np.isinf(column).any():
            return column
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        if value is None or value == "" or value != value:
            continue
        number = measure_of(value)
        if number is None:
            rejects.setdefault(start + place, ("wrong_type", f"{name}: expected a number"))
        else:
            found[place] = number
    return found
