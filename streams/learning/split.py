"""Splits of a log into what is learned from, what settings are chosen on, and what is judged.

One split for all commands: what `profile` asks and what `train` weighs by lies in the part that `evaluate` validates on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.errors import EvaluationError
from streams.learning.history import History
from streams.learning.queries import Queries, given_queries, open_queries
from streams.learning.stray_clocks import own_span
from transfer.arrays import I64
from transfer.rows import group_starts, owners

By = Literal["time", "events", "last"]
LEAST_EVENTS = 500
LEAST_SHARE = 0.01
"""A part of fewer events, or of a smaller share of them, tells little of the methods and much of the users who are in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of a history, and whether methods learn on while they are judged."""

    name: By
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

    @property
    def leaves_out(self) -> str:
        """What of the test part time does not tell, as `encoders.learned_from.LearnedFrom` has it: "last" or nothing."""
        return self.name if self.name == "last" and len(self.test) else ""

    @property
    def before_test(self) -> I64:
        """(A + B,) rows of train and validation, ascending."""
        return np.sort(np.concatenate([self.train, self.validation]))

    def parts(self) -> dict[str, I64]:
        """The rows of each part, by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to cut a log, as the options of the commands say it."""

    by: By | None = None
    """*time*: at shares of the time; *events*: at moments that leave shares of the events, for logs that are uneven in
    time; *last*: each user's last basket is test, the one before it validation; None: *last* where times are positions, else
    *time*"""
    test_share: float = 0.1
    """of the time or the events; 0: no test part, all is learned from"""
    validation_share: float = 0.1
    """0: no validation part"""
    force: bool = False
    """take parts that are too small to go by"""

    def cut(self, history: History) -> Split:
        """The parts, however small they are.

        Raises:
            EvaluationError: the shares leave nothing to train on.
        """
        if self.test_share + self.validation_share >= 1:
            raise EvaluationError(
                "the shares of test and validation leave nothing to train on; give smaller ones"
            )
        by = self.by or ("last" if history.has_positions else "time")
        return _leave_one_out(history, self) if by == "last" else _cut_at_moments(history, self, by)

    def of(self, history: History) -> Split:
        """The parts, if they are large enough.

        Raises:
            EvaluationError: they are not (`weakness`).
        """
        split = self.cut(history)
        weakness = self.weakness(split)
        if weakness:
            raise EvaluationError(weakness)
        return split

    def weakness(self, split: Split) -> str:
        """Which part is empty or, unless `force` is set, too small to go by, and what to do; "" where all will do.

        Of leave-one-out parts the share says nothing: one basket of each of many users is small beside long histories.
        """
        left = 1 - self.validation_share - self.test_share
        shares = {"train": left, "validation": self.validation_share, "test": self.test_share}
        events = sum(map(len, split.parts().values()))
        least = (
            LEAST_EVENTS if split.name == "last" else max(LEAST_EVENTS, int(np.ceil(LEAST_SHARE * events)))
        )
        for part, rows in split.parts().items():
            if not len(rows) and shares[part]:
                return f"the {part} part of the {split.name} split is empty; {_advice(split, part, False)}"
        if self.force or len(split.train) == events:
            return ""
        for part, rows in split.parts().items():
            if len(rows) < least and shares[part]:
                return (
                    f"the {part} part of the {split.name} split has {len(rows):,} of {events:,} events, too few to go by "
                    f"(at least {least:,}); {_advice(split, part, shares[part] * events >= least)}, or --force to go on with it"
                )
        return ""


def split_of(
    history: History,
    by: By | None = None,
    test_share: float = 0.1,
    validation_share: float = 0.1,
    force: bool = False,
) -> Split:
    """Cut a log as a `SplitPlan` says.

    By time, shares are of the span that holds nearly all events (`stray_clocks.own_span`): one event of another year does not
    move the cut. What lies outside belongs to the nearest part. A cut never parts events of one time.

    Raises:
        EvaluationError: a part is empty, or so small that it tells nothing and `force` is not set.
    """
    return SplitPlan(by, test_share, validation_share, force).of(history)


def _advice(split: Split, part: str, events_would_do: bool) -> str:
    others = "give a longer log, " + ("smaller shares" if part == "train" else f"a larger --{part}-share")
    if split.name == "last":
        return "give a log of more users who come three times, or --split time"
    return f"{others}, or --split events" if split.name == "time" and events_would_do else others


def _cut_at_moments(history: History, plan: SplitPlan, by: Literal["time", "events"]) -> Split:
    """Cut at two moments, for all users alike: what comes last is test, what comes before it validation."""
    time = history.time
    shares = np.array([1 - plan.test_share - plan.validation_share, 1 - plan.test_share])
    if by == "time":
        first, last = own_span(time)
        moments = first + shares * (last - first)
    else:
        moments = np.quantile(time, shares, method="higher")
    validation_from, test_from = np.where(
        [plan.validation_share or plan.test_share, plan.test_share], moments, np.inf
    )
    train = np.flatnonzero(time < validation_from)
    return Split(
        name=by,
        train=train[np.argsort(time[train], kind="stable")],
        validation=np.flatnonzero((time >= validation_from) & (time < test_from)),
        test=np.flatnonzero(time >= test_from),
        progressive=True,
    )


def _leave_one_out(history: History, plan: SplitPlan) -> Split:
    """Each user's last basket is test, the one before it validation, all earlier ones train; without a test part (its share is
    0) the last is validation, and without a validation part nothing else is left out.

    Users who have no basket left to train on are in train only. Times of different users are not compared, so that positions
    can be the clock; nothing is learned between queries.
    """
    kinds = [kind for kind, share in ((2, plan.test_share), (1, plan.validation_share)) if share]
    starts = history.basket_starts
    user = history.user[starts]
    users = group_starts([user])
    count = np.diff(np.append(users, len(starts)))
    owner = np.repeat(np.arange(len(users)), count)
    later = np.repeat(users + count, count) - 1 - np.arange(len(starts))  # later baskets of the same user
    by_place = np.array([*kinds, 0], np.int64)  # 2 test, 1 validation, 0 train
    part = np.where(count[owner] > len(kinds), by_place[np.minimum(later, len(kinds))], 0)
    part = part[owners(np.append(starts, len(history)))]
    train = np.flatnonzero(part == 0)
    return Split(
        name="last",
        train=train[np.argsort(history.time[train], kind="stable")],
        validation=np.flatnonzero(part == 1),
        test=np.flatnonzero(part == 2),
        progressive=False,
    )
