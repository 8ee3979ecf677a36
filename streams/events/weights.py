"""Quantity, value and time spent of events -> the factor that each event's weight has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from transfer.arrays import F32, F64, U8
from transfer.weigh import Weigh, weigh_factors


def event_weights(
    action: U8, measures: Mapping[str, F64], names: Sequence[str], weigh: Mapping[str, Weigh]
) -> F32 | None:
    """(B,) float32 factors as `[interest.weigh]` says; None where nothing weighs.

    action (B,) positions in `names`; measures: the amounts (B,) by name, NaN for none; one that is missing is NaN throughout.

    >>> by_quantity = {"purchase": Weigh(by="quantity")}
    >>> names, amounts = ("browse", "click", "purchase"), {"quantity": np.array([3.0, np.nan, 3.0])}
    >>> event_weights(np.array([2, 2, 1], np.uint8), amounts, names, by_quantity).tolist()
    [2.0, 1.0, 1.0]
    """
    if not weigh:
        return None
    factors = np.ones(len(action), np.float32)
    for name, one in weigh.items():
        rows = np.flatnonzero(action == names.index(name))
        amount = measures.get(one.by)
        if len(rows) and amount is not None:
            factors[rows] = weigh_factors(amount[rows], one.typical)
    return factors
