"""Quantity, value and time spent of events -> the factor that each event's weight has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transfer.arrays import F32, F64, U8
from transfer.config import InterestConfig
from transfer.weigh import weigh_factors


def event_weights(action: U8, measures: Mapping[str, F64], interest: InterestConfig) -> F32 | None:
    """(B,) float32 factors as `[interest.weigh]` says; None where nothing weighs.

    action (B,) codes; measures: of those in `interest.measures` the amounts (B,), NaN for none; one that is missing is NaN
    throughout.

    >>> config = InterestConfig(weigh={"purchase": "quantity"})
    >>> event_weights(np.array([2, 2, 1], np.uint8), {"quantity": np.array([3.0, np.nan, 3.0])}, config).tolist()
    [2.0, 1.0, 1.0]
    """
    if not interest.weigh:
        return None
    factors = np.ones(len(action), np.float32)
    for name, weigh in interest.weigh.items():
        rows = np.flatnonzero(action == interest.action_code(name))
        amount = measures.get(weigh.by)
        if len(rows) and amount is not None:
            factors[rows] = weigh_factors(amount[rows], weigh.typical)
    return factors
