"""Splits of a log into what is learned from, what settings are chosen on, and what is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.errors import EvaluationError
from streams.learning.history import History
from streams.learning.queries import Queries, given_queries, open_queries
from transfer.arrays import I64
from transfer.rows import group_starts, owners


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of a history, and whether methods learn on while they are judged."""

    name: str
    """time, events or last"""
    train: I64
    """(A,) rows, in order of time (and of the history within one time)"""
    validation: I64
    """(B,) rows, ascending"""
    test: I64
    """(C,) rows, ascending"""
    progressive: bool
    """whether time is one for all users, so that what has happened meanwhile may be learned"""

    def queries(self, history: History, part: str, task: str) -> Queries:
        """The queries of `part` ("validation" or "test") for `task` ("open" or "given")."""
        rows = {"validation": self.validation, "test": self.test}[part]
        return {"open": open_queries, "given": given_queries}[task](history, rows)


def time_split(
    history: History,
    test_share: float = 0.1,
    validation_share: float = 0.1,
    by: Literal["time", "events"] = "time",
) -> Split:
    """Cut at two moments, for all users alike: what comes last is test, what comes before it validation.

    The shares are of the span from the first to the last event (`by="time"`), or of the events: for logs that are
    uneven in time.

    Raises:
        EvaluationError: a part would be empty.
    """
    shares = np.array([1 - test_share - validation_share, 1 - test_share])
    if by == "time":
        first, last = float(history.time.min()), float(history.time.max())
        validation_from, test_from = (first + shares * (last - first)).tolist()
    else:
        validation_from, test_from = np.quantile(history.time, shares, method="higher").tolist()
    time = history.time
    train = np.flatnonzero(time < validation_from)
    split = Split(
        name=by,
        train=train[np.argsort(time[train], kind="stable")],
        validation=np.flatnonzero((time >= validation_from) & (time < test_from)),
        test=np.flatnonzero(time >= test_from),
        progressive=True,
    )
    return _checked(split)


def last_split(history: History) -> Split:
    """Leave one out: each user's last basket is test, the one before it validation, all earlier ones train.

    Users with fewer than three baskets are in train only. Times of different users are not compared, so that positions
    can be the clock; nothing is learned between queries.

    Raises:
        EvaluationError: no user has three baskets.
    """
    starts = history.basket_starts
    user = history.user[starts]
    users = group_starts([user])
    count = np.diff(np.append(users, len(starts)))
    owner = np.repeat(np.arange(len(users)), count)
    left = np.repeat(users + count, count) - 1 - np.arange(len(starts))  # later baskets of the same user
    part = np.where((count[owner] >= 3) & (left < 2), 2 - left, 0)  # 2 test, 1 validation, 0 train
    part = part[owners(np.append(starts, len(history)))]
    train = np.flatnonzero(part == 0)
    split = Split(
        name="last",
        train=train[np.argsort(history.time[train], kind="stable")],
        validation=np.flatnonzero(part == 1),
        test=np.flatnonzero(part == 2),
        progressive=False,
    )
    return _checked(split)


def _checked(split: Split) -> Split:
    for part, rows in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        if not len(rows):
            raise EvaluationError(
                f"the {part} part of the {split.name} split is empty; is the log too short for it?"
            )
    return split
