"""Candidates: which items compete for a query, in an order in which equal scores stand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streams.learning.history import History
from streams.learning.known_since import known_since
from streams.learning.queries import Queries
from streams.learning.split import Split
from transfer.arrays import F64, I32, I64, Bool
from transfer.codes import NONE, OPEN
from transfer.rows import positions_in

SALT = np.uint64(0x9E3779B97F4A7C15)
"""Pins the order of equal scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Competing:
    """The C items that compete for a query."""

    codes: I64
    """(C,) in the pinned random order: of equal scores the one that stands first here ranks first"""
    _order: I64
    """(C,) ascending place of each in that order of all items"""
    _order_of: I64 = field(repr=False)
    """(N,) of all items"""

    def __len__(self) -> int:
        return len(self.codes)

    def places(self, items: I64 | I32) -> I64:
        """(K,) place of each of these items among `codes`; -1: it does not compete."""
        return positions_in(self._order, self._order_of[items])


class Candidates:
    """Who competes, and when.

    An item competes for a query if anyone had an event with it strictly before the query, or if the catalogue says that it was
    available by then (`available_from`). Nothing else of a catalogue counts: it is as its end was, and tells nothing of when
    an item came into it. Where a request names a scenario, the items that belong to it compete, if items belong to scenarios
    at all. Equal scores rank by a random order that only the items' ids determine.

    Where times of different users are not compared (leave one out), `rows` are the events that are known whenever it is:
    their items compete, at any time.
    """

    def __init__(self, history: History, rows: I64 | None = None, among: I64 | None = None) -> None:
        """among: codes of the items that may compete; None: all."""
        self.rows = rows
        """events whose items compete at any time; None: by time"""
        self.since: F64 = known_since(history, rows)
        """(N,) from when on (this moment included) each item competes; infinite: never"""
        if among is not None:
            self.since[np.setdiff1d(np.arange(len(self.since)), among)] = np.inf
        self._item_scenario = history.item_scenario
        self.by_item_scenario = bool((history.item_scenario != NONE).any())
        in_order = np.argsort(_mixed(history.item_keys), kind="stable")
        self._order_of = np.empty(len(in_order), np.int64)
        self._order_of[in_order] = np.arange(len(in_order))
        self._in_order: I64 = in_order[self.since[in_order] < np.inf].astype(np.int64)
        self._scopes: dict[int, _Scope] = {}

    @classmethod
    def of_split(cls, history: History, split: Split, part: str = "test") -> Candidates:
        """Those of `part` ("validation" or "test"): by time; where times are not compared, the items of all parts before."""
        if split.progressive:
            return cls(history)
        return cls(history, split.train if part == "validation" else split.before_test)

    @classmethod
    def after(cls, history: History, rows: I64, queries: Queries) -> Candidates:
        """Those of queries that are asked after `rows` were learned: by time, if all of them are later than all rows; else the
        rows' items."""
        if len(rows) and len(queries) and float(queries.time.min()) < float(history.time[rows].max()):
            return cls(history, rows)
        return cls(history)

    def at(self, scenario: int, time: float) -> Competing:
        """Who competes at a time; `scenario` -1: all, wherever they belong. Cheap where one
        asks in order of time, or nearly so."""
        if not self.by_item_scenario:
            scenario = OPEN
        if scenario not in self._scopes:
            self._scopes[scenario] = _Scope(self._members(scenario), self.since, self._order_of)
        return self._scopes[scenario].at(time)

    def known(self, items: I64 | I32, times: F64) -> Bool:
        """(T,) whether each of the items competes at its time, in the open or where it belongs."""
        return self.since[items] <= times

    @property
    def all(self) -> I64:
        """Codes of the items that compete at some time, ascending."""
        return np.sort(self._in_order)

    def _members(self, scenario: int) -> I64:
        if scenario == OPEN:
            return self._in_order
        members: I64 = self._in_order[self._item_scenario[self._in_order] == scenario]
        return members


class KnownItems:
    """Which items a method knows to exist while it is asked: those that compete by the end of a block of queries."""

    def __init__(self, history: History, rows: I64, validation: Queries) -> None:
        """rows: what it was fitted on; validation: asked after them."""
        self._candidates = Candidates.after(history, rows, validation)
        if self._candidates.rows is not None:
            self._candidates = Candidates(history, np.concatenate([rows, validation.target_row]))

    def at(self, queries: Queries) -> I64:
        """(C,) codes, ascending."""
        return np.sort(self._candidates.at(OPEN, float(queries.time.max())).codes)


class _Scope:
    """The items of one scenario, or all of them, as of the latest time that was asked for."""

    def __init__(self, members: I64, since: F64, order_of: I64) -> None:
        self._members, self._since, self._order_of = members, since[members], order_of
        self._times = np.sort(self._since)
        self._competing: Competing | None = None

    def at(self, time: float) -> Competing:
        count = int(np.searchsorted(self._times, time, side="right"))
        if self._competing is None or len(self._competing) != count:
            codes = self._members[self._since <= time]
            self._competing = Competing(codes, self._order_of[codes], self._order_of)
        return self._competing


def _mixed(keys: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) of item keys: neighbours and low keys end up anywhere."""
    with np.errstate(over="ignore"):
        mixed = keys + SALT
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
