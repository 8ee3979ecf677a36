"""How far back successive baskets of a user still resemble the present one: the window for co-occurrence and pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.profile.baskets import Baskets
from streams.learning.profile.questions import Parts
from streams.learning.profile.quick_vectors import QuickVectors
from transfer.arrays import F64
from transfer.codes import NONE

FURTHEST = 20
LONGEST_WINDOW = 10
HALF = 0.5
ENOUGH_PAIRS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Resemblance by distance."""

    cosine: F64
    """(FURTHEST,) mean cosine of an item with one 1, 2, ... baskets before; NaN where there are too few pairs."""
    window: int | None
    """the furthest distance at which at least half of what is nearer than far remains; None where distance says nothing (the
    weekly shopping has no order) or there are too few pairs to tell"""


def reach_of(
    history: History,
    baskets: Baskets,
    parts: Parts | None,
    vectors: QuickVectors | None,
    rng: np.random.Generator,
) -> Reach:
    """Measure it on one item, drawn at random, of each basket of the validation part."""
    if vectors is None or parts is None:
        return Reach(np.full(FURTHEST, np.nan), None)
    drawn = baskets.start + (rng.random(len(baskets)) * baskets.size).astype(np.int64)
    item = history.item[drawn]
    place = np.where(item >= 0, vectors.place[item], NONE)
    judged = parts.judged(baskets)
    cosine, error = np.full(FURTHEST, np.nan), np.full(FURTHEST, np.nan)
    for distance in range(1, FURTHEST + 1):
        later = judged[judged >= distance]
        earlier = later - distance
        pair = (baskets.user[earlier] == baskets.user[later]) & (item[earlier] != item[later])
        pair &= (place[earlier] >= 0) & (place[later] >= 0)
        if pair.sum() >= ENOUGH_PAIRS:
            found = np.einsum(
                "nd,nd->n",
                vectors.rows[place[later[pair]]],
                vectors.rows[place[earlier[pair]]],
                dtype=np.float64,
            )
            cosine[distance - 1] = found.mean()
            error[distance - 1] = found.std() / np.sqrt(len(found))
    return Reach(cosine, window_of(cosine, float(error[0])))


def window_of(cosine: F64, error: float) -> int | None:
    """The window for mean cosines by distance, the standard error of the first of which is `error`.

    >>> window_of(np.array([0.5, 0.4, 0.35, 0.2, 0.1, 0.1]), 0.01)
    3
    >>> window_of(np.array([0.5, 0.5, 0.49, 0.5]), 0.01)  # None
    """
    measured = np.flatnonzero(np.isfinite(cosine))
    if len(measured) < 2 or measured[0] != 0:
        return None
    far = float(cosine[measured[-1]])
    nearer = float(cosine[0]) - far
    if nearer <= 2 * error or nearer <= 0.1 * abs(far):
        return None
    # Not beyond the first distance that falls below: what comes later by chance is no reach.
    below = np.flatnonzero(~(cosine[:LONGEST_WINDOW] - far >= HALF * nearer))
    return int(below[0]) if len(below) else min(LONGEST_WINDOW, len(cosine))
