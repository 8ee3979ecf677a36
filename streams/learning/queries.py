"""Queries: what a method is asked, and what would have been right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streams.learning.history import History
from transfer.arrays import F64, I32, I64, Bool
from transfer.codes import NONE, OPEN
from transfer.rows import group_starts, offsets_of, owners, rows_of, sizes_of


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """Q questions in order of time; each is asked right before its basket, of what is strictly earlier.

    A basket is the events of one user at one time: they are all targets of one query, which knows none of them.
    """

    user: I32
    """(Q,)"""
    time: F64
    """(Q,) time of the basket, in the log's unit"""
    seen: I64
    """(Q,) rows `history.offsets[user]:seen` are the user's strictly earlier events (`seen` is an absolute end row)"""
    scenario: I32
    """(Q,) the scenario that the request names; -1: none, the open task"""
    target_offsets: I64
    """(Q + 1,)"""
    target_item: I32
    """(T,) distinct items of the basket; where a scenario is named, those of its events in it"""
    target_row: I64
    """(T,) row of the history in which the item is first in that basket; negative: ~row of a history from which this one has
    the event hidden"""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def targets(self) -> int:
        """T."""
        return len(self.target_item)

    @property
    def target_query(self) -> I64:
        """(T,) the query of each target."""
        return owners(self.target_offsets)

    def take(self, chosen: I64 | slice) -> Queries:
        """Some of the queries, in the order given; a slice shares memory."""
        if isinstance(chosen, slice):
            first, last, step = chosen.indices(len(self))
            if step == 1:
                last = max(first, last)
                begin, end = self.target_offsets[first], self.target_offsets[last]
                rows: I64 | slice = slice(begin, end)
                offsets = self.target_offsets[first : last + 1] - begin
            else:
                return self.take(np.arange(first, last, step))
        else:
            rows, offsets = rows_of(self.target_offsets, chosen)
        return Queries(
            user=self.user[chosen],
            time=self.time[chosen],
            seen=self.seen[chosen],
            scenario=self.scenario[chosen],
            target_offsets=offsets,
            target_item=self.target_item[rows],
            target_row=self.target_row[rows],
        )

    def of_targets(self, chosen: Bool) -> Queries:
        """The queries of some of the targets (T,), with those alone."""
        count = np.bincount(self.target_query[chosen], minlength=len(self))
        left = replace(
            self,
            target_offsets=offsets_of(count),
            target_item=self.target_item[chosen],
            target_row=self.target_row[chosen],
        )
        return left.take(np.flatnonzero(count))

    def sample(self, size: int, seed: int) -> Queries:
        """At most `size` of them, drawn without replacement, still in order of time."""
        if len(self) <= size:
            return self
        chosen = np.random.default_rng(seed).choice(len(self), size, replace=False)
        return self.take(np.sort(chosen).astype(np.int64))


def open_queries(history: History, rows: I64) -> Queries:
    """One query for each basket of the events `rows` (ascending), with all its items as targets.

    Baskets without any item (text alone) are not asked for. `rows` should hold whole baskets.
    """
    return _queries(history, rows, np.full(len(rows), OPEN, np.int32))


def given_queries(history: History, rows: I64) -> Queries:
    """One query for each basket and scenario in it; the request names the scenario.

    Targets are the basket's items of events in that scenario. Where items belong to scenarios, an event outside its
    item's own is no target: the item is no candidate there.
    """
    scenario = history.scenario[rows]
    item_scenario = history.item_scenario[history.item[rows]]
    fits = (scenario != NONE) & (
        (item_scenario == scenario) | (not bool((history.item_scenario != NONE).any()))
    )
    return _queries(history, rows[fits], scenario[fits])


def _queries(history: History, rows: I64, scenario: I32) -> Queries:
    """Group events to queries by (user, time, named scenario), and their items to distinct targets."""
    with_item = history.item[rows] != NONE
    rows, scenario = rows[with_item], scenario[with_item]
    # Rows of a basket are next to each other and the sort is stable: the first row of an item stays the first.
    order = np.lexsort((history.item[rows], scenario, history.user[rows], history.time[rows]))
    rows, scenario = rows[order], scenario[order]
    first = group_starts([history.time[rows], history.user[rows], scenario, history.item[rows]])
    rows, scenario = rows[first], scenario[first]
    starts = group_starts([history.time[rows], history.user[rows], scenario])
    return Queries(
        user=history.user[rows[starts]],
        time=history.time[rows[starts]],
        seen=_basket_start(history, rows[starts]),
        scenario=scenario[starts],
        target_offsets=np.append(starts, len(rows)).astype(np.int64),
        target_item=history.item[rows],
        target_row=rows,
    )


def _basket_start(history: History, rows: I64) -> I64:
    """The first row of each row's basket."""
    starts = history.basket_starts
    found: I64 = starts[np.searchsorted(starts, rows, side="right") - 1]
    return found


def seen_rows(history: History, queries: Queries) -> tuple[I64, I64]:
    """The earlier events of each query's user, oldest first: rows of the history (M,), and offsets (Q + 1,)."""
    begin = history.offsets[queries.user]
    offsets = offsets_of(queries.seen - begin)
    return np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], sizes_of(offsets)), offsets


def first_rows(history: History) -> I64:
    """(E,) the row of the user's first event with the same item; within a basket the first row counts."""
    # Stable: rows of one user and item stay in order of time.
    order = np.lexsort((history.item, history.user))
    starts = group_starts([history.user[order], history.item[order]])
    first = np.empty(len(history), np.int64)
    first[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    return first


def new_targets(queries: Queries, first: I64) -> Bool:
    """(T,) whether the user had no event with the target before the basket; `first` is `first_rows(history)`."""
    row = queries.target_row
    new: Bool = (row < 0) | (first[np.maximum(row, 0)] >= queries.seen[queries.target_query])
    return new
