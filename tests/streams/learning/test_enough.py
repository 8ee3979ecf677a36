"""Too little to train on is told before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from streams.errors import TrainingError
from streams.learning.training.enough import LEAST_POSITIONS, LEAST_TARGETS, check_enough
from support.data.histories import history_of


def log_of(baskets: int, later: int, users: int = 10):
    """Each user has so many baskets of one item, then so many of the last part."""
    rows = [
        (f"u{user}", f"i{step}", float(step), "s") for user in range(users) for step in range(baskets + later)
    ]
    history = history_of(rows)
    is_late = history.time >= history.time.min() + baskets
    return history, np.flatnonzero(~is_late), np.flatnonzero(is_late)


def test_positions_and_targets_are_counted_of_users_who_come_back():
    """The first basket of a user foresees nothing: just enough passes, one less of either is refused with both numbers."""
    check_enough(*log_of(LEAST_POSITIONS // 10 + 1, LEAST_TARGETS // 10))
    with pytest.raises(TrainingError, match=r"490 positions .* 100 targets"):
        check_enough(*log_of(LEAST_POSITIONS // 10, LEAST_TARGETS // 10))
    with pytest.raises(TrainingError, match=r"500 positions .* 90 targets"):
        check_enough(*log_of(LEAST_POSITIONS // 10 + 1, LEAST_TARGETS // 10 - 1))


def test_targets_of_new_users_are_none_to_choose_by():
    """Validation that is all of users who were never there before is nothing to go by."""
    history, rows, later = log_of(60, 10)
    with pytest.raises(TrainingError, match=" 0 targets"):
        check_enough(history, rows[history.user[rows] < 5], later[history.user[later] >= 10])
