"""Whether a log holds enough to learn from and to choose by."""

from __future__ import annotations

import numpy as np

from streams.errors import TrainingError
from streams.learning.history import History
from streams.learning.queries import Queries, open_queries
from transfer.arrays import I64
from transfer.codes import NONE

LEAST_POSITIONS = 500
LEAST_TARGETS = 100
"""With fewer a network learns its users by heart, and what is chosen by validation is chance."""


def check_enough(history: History, rows: I64, validation: I64) -> None:
    """Refuse to train on little; rows: to train on, validation: to choose by.

    A position is a basket of a user who has an earlier one; a target an item of a validation basket of such a user.

    Raises:
        TrainingError: there are fewer than `LEAST_POSITIONS` or `LEAST_TARGETS`.
    """
    positions = _returning(history, open_queries(history, np.sort(rows)))
    later = open_queries(history, validation)
    targets = int(np.diff(later.target_offsets)[_known(history, later)].sum())
    if positions >= LEAST_POSITIONS and targets >= LEAST_TARGETS:
        return
    raise TrainingError(
        f"the log gives {positions:,} positions to learn from and {targets:,} targets to choose by; fewer than "
        f"{LEAST_POSITIONS} and {LEAST_TARGETS} make no model, whatever it says of itself: give a longer log, or say --force"
    )


def _returning(history: History, queries: Queries) -> int:
    return int(np.count_nonzero(_known(history, queries)))


def _known(history: History, queries: Queries) -> np.ndarray:
    """(Q,) whether the user has an earlier event on an item."""
    with_item = np.append(0, np.cumsum(history.item != NONE))
    known: np.ndarray = with_item[queries.seen] > with_item[history.offsets[queries.user]]
    return known
