"""Items without behaviour: some items are taken out of all that methods learn from, and asked for as if they had just come.

What a method says of an item that nobody has taken yet can't be seen on a log as it is: such items compete for a moment, until
their first event. Here nobody's event with them is in any history, counts or training, and they are ranked among each other, by
what the catalogue says of them. (Item cold start as in DropoutNet, Volkovs et al. 2017.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streams.errors import EvaluationError
from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.plan import Plan, Task, tasks_of
from streams.learning.evaluation.slices import facts, slices
from streams.learning.history import History
from streams.learning.history_part import part_of
from streams.learning.homes import with_homes_of
from streams.learning.queries import first_rows, new_targets
from streams.learning.split import Split
from transfer.arrays import F64, I64, Bool
from transfer.codes import NONE
from transfer.rows import positions_in

LEAST_TARGETS = 100


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedLog:
    """A log as methods see it, and what they are asked."""

    history: History
    split: Split
    tasks: list[Task]


def asked_of(history: History, split: Split, plan: Plan) -> EvaluatedLog:
    """The log as it is and the whole test part; or, where the plan hides items, what `hide_items` leaves.

    Raises:
        As `hide_items`.
    """
    if plan.cold_items:
        return hide_items(history, split, plan)
    return EvaluatedLog(history, split, tasks_of(history, split, plan))


def hide_items(history: History, split: Split, plan: Plan) -> EvaluatedLog:
    """Hide a random share (`cold_items`) of the log's items: their events are gone, and the catalogue has them from the
    test part's begin on. What the test part has of them is asked for, among them alone: targets that are new to their users, of
    users of whom other events are left by then.

    Raises:
        EvaluationError: items have no texts, times of users can't be compared, a trained model is to be judged, or (unless the
            plan's `force` is set) fewer than `LEAST_TARGETS` targets are left.
    """
    if plan.setup.model is not None:
        raise EvaluationError(
            "a trained model has learned of the items that are to be hidden; leave --model out"
        )
    if plan.setup.words is not None:
        raise EvaluationError(
            "a tuned encoder has learned of the items that are to be hidden; leave --words out, and it is tuned on the rest"
        )
    if not any(history.item_texts) and not history.media:
        raise EvaluationError(
            "nothing is known of items without behaviour: give a catalogue with titles, --items"
        )
    if not split.progressive:
        raise EvaluationError(
            f"items can be hidden until a moment, and the split {split.name} has none; give --split time"
        )
    met = np.unique(history.item[history.item != NONE])
    count = round(plan.cold_items * len(met))
    drawn = met[np.random.default_rng(0).permutation(len(met))[:count]]
    is_hidden = np.zeros(len(history.items) + 1, np.bool_)  # the last: no item
    is_hidden[drawn] = True
    there = _Rest.of(history, split, is_hidden)
    whole = with_homes_of(history, split.train)
    tasks = [there.task(name, whole, split, plan) for name in plan.tasks]
    fewest = min(task.queries.targets for task in tasks)
    if fewest < LEAST_TARGETS and not plan.force:
        raise EvaluationError(
            f"{fewest} targets of the test part are of hidden items, too few to go by (at least {LEAST_TARGETS}); give a "
            "larger --cold-items or --test-share, or --force to go on with them"
        )
    return EvaluatedLog(there.history, there.split, tasks)


@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """The log without hidden events, and where everything of the whole log is in it."""

    history: History
    split: Split
    is_hidden: Bool
    """(N + 1,) of the whole log's items"""
    item: I64
    """(N,) code there of each item"""
    user: I64
    """(U,) code there of each user, -1: all that the user did is hidden"""

    @classmethod
    def of(cls, history: History, split: Split, is_hidden: Bool) -> _Rest:
        """Hidden items are in the catalogue when the test part begins."""
        part = part_of(history, np.flatnonzero(~is_hidden[history.item]))
        rest = part.history
        item = positions_in(rest.item_keys, history.item_keys, np.argsort(rest.item_keys))
        codes = {name: code for code, name in enumerate(rest.users)}
        available = (
            np.full(len(rest.items), np.inf) if rest.available_from is None else rest.available_from.copy()
        )
        available[item[is_hidden[:-1]]] = float(history.time[split.test].min())
        row = positions_in(part.source, np.arange(len(history)), np.argsort(part.source))
        train, validation, test = (
            rows[rows != NONE] for rows in (row[split.train], row[split.validation], row[split.test])
        )
        own = replace(split, train=train, validation=np.sort(validation), test=np.sort(test))
        user = np.array([codes.get(name, NONE) for name in history.users], np.int64)
        # Where hidden items belong is known from the catalogue alone.
        rest = with_homes_of(replace(rest, available_from=available), own.train)
        return cls(rest, own, is_hidden, item, user)

    def task(self, name: str, history: History, split: Split, plan: Plan) -> Task:
        """What the test part of the whole log asks for of hidden items; of users who have an event left by then."""
        asked = split.queries(history, "test", name)
        asked = asked.of_targets(self.is_hidden[asked.target_item] & new_targets(asked, first_rows(history)))
        user = self.user[asked.user]
        seen = self._seen(user, asked.time)
        chosen = np.flatnonzero((user != NONE) & (seen > self.history.offsets[user]))
        if plan.sample is not None and len(chosen) > plan.sample:
            chosen = np.sort(np.random.default_rng(0).choice(chosen, plan.sample, replace=False))
        asked = asked.take(chosen)
        queries = replace(
            asked,
            user=user[chosen].astype(np.int32),
            seen=seen[chosen],
            target_item=self.item[asked.target_item].astype(np.int32),
            target_row=~asked.target_row,
        )
        known = facts(history, asked, Candidates.of_split(history, split))
        before = (queries.seen - self.history.offsets[queries.user])[queries.target_query]
        known = replace(
            known,
            user=queries.user[queries.target_query],
            known=np.ones(asked.targets, np.bool_),
            user_events=before,
            item_events=np.zeros(asked.targets, np.int64),
        )
        hidden = Candidates(self.history, among=self.item[self.is_hidden[:-1]])
        return Task(name, queries, known, slices(known, history.scenarios, plan.dormant_s), hidden)

    def _seen(self, user: I64, time: F64) -> I64:
        """(Q,) end row there of what each user had done strictly before a time."""
        rest = self.history
        moments, moment = np.unique(rest.time, return_inverse=True)
        # Rows ascend by user and time: so do these.
        key = rest.user.astype(np.int64) * (len(moments) + 1) + moment
        return np.searchsorted(key, user * (len(moments) + 1) + np.searchsorted(moments, time))
