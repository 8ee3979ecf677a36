"""Which scenarios give interest vectors: the weightiest of each user."""

import numpy as np

from transfer.arrays import F32, F64, I64
from transfer.config import TransferConfig
from transfer.rows import kept_offsets, owners, segment_positions

EQUAL_DIGITS = 5
"""Of weights: those that differ by less go by name, since their last bits depend on the order of events."""


def leading_slots(offsets: I64, weights: F64 | F32, config: TransferConfig) -> tuple[I64, I64]:
    """Slots that give interest vectors, the weightiest of each user first, and their offsets (U + 1,).

    >>> weights = np.array([0.01, 0.33, 0.33, 0.33])
    >>> leading_slots(np.array([0, 4]), weights, TransferConfig(interests=2))[0].tolist()
    [1, 2]
    """
    rounded = weights.astype(np.float64).round(EQUAL_DIGITS)
    order = np.lexsort((np.arange(len(weights)), -rounded, owners(offsets)))
    place = segment_positions(offsets)
    heavy = rounded[order] >= config.interest_min_weight
    kept = (place < config.interests) & (heavy | (place == 0))
    return order[kept], kept_offsets(offsets, kept)
