"""SequenceWindows: what networks over sequences are trained on, cut again in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.methods.base import last_items
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import I32, I64, Bool
from transfer.codes import NONE
from transfer.rows import offsets_of, segment_positions


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """B windows of at most L events."""

    inputs: I64
    """(B, L) int64 codes of items, oldest first; 0 after the end"""
    targets: I64
    """(B, L) int64 code of an item of the basket after each event's"""
    inside: Bool
    """(B, L) bool, whether an event is there and has a next basket"""


class SequenceWindows:
    """Training events of all users as sequences of codes 0 .. V - 1, of the items that occur in them.

    The target of an event is an item of the user's next basket, drawn again in each epoch: within a basket order tells
    nothing, and a query is asked of whole baskets. Where baskets are single events, it is the next item. A sequence longer
    than `length` is cut at places that move from epoch to epoch, so that no event always lacks its past.

    >>> sequence = SequenceWindows(np.array([7, 5, 7]), np.array([0, 0, 0]), np.array([0, 1, 2]), items=9, length=4)
    >>> batch = next(sequence.epoch(np.random.default_rng(0), 8))
    >>> batch.inputs.tolist(), batch.targets[batch.inside].tolist(), sequence.known.tolist()
    ([[1, 0]], [0, 1], [5, 7])
    """

    def __init__(self, item: I32, user: I32, basket: I64, items: int, length: int) -> None:
        """item, user and basket (E,) of events in the history's order; every item is one."""
        self.length = length
        self.known: I64 = np.unique(item).astype(np.int64)
        """(V,) the item of each code"""
        self.code = np.full(items + 1, NONE, np.int64)
        """(N + 1,) the code of each item, -1: none; the last is that of no item"""
        self.code[self.known] = np.arange(len(self.known))
        self.counts: I64 = np.bincount(self.code[item], minlength=len(self.known))
        """(V,) training events of each code"""
        self._codes = self.code[item]
        starts = np.flatnonzero(np.diff(basket, prepend=-1))
        self._next = np.searchsorted(starts, np.arange(len(item)), side="right")  # number of the next basket
        ends = np.append(starts, [len(item), len(item)])
        self._next_begin, self._next_end = ends[self._next], ends[self._next + 1]
        same = np.append(user, NONE)[self._next_begin] == user
        # A user's last basket has no next one, so no window goes into it.
        self._users = np.flatnonzero(np.diff(user, prepend=-1))
        sizes = np.add.reduceat(same.astype(np.int64), self._users) if len(same) else np.empty(0, np.int64)
        self._users, self._sizes = self._users[sizes > 0], sizes[sizes > 0]

    @property
    def positions(self) -> int:
        """Events with a target."""
        return int(self._sizes.sum())

    def epoch(self, rng: np.random.Generator, windows: int) -> Iterator[WindowBatch]:
        """All events with a target once, in batches of `windows` windows in random order."""
        length = self.length
        if not self.positions:
            return
        first = np.where(self._sizes <= length, self._sizes, rng.integers(1, length + 1, len(self._sizes)))
        count = 1 + -(-(self._sizes - first) // length)
        owner = np.repeat(np.arange(len(count)), count)
        place = segment_positions(offsets_of(count))
        begin = np.where(place == 0, 0, first[owner] + (place - 1) * length)
        size = np.where(place == 0, first[owner], np.minimum(length, self._sizes[owner] - begin))
        begin += self._users[owner]
        order = rng.permutation(len(begin))
        for chosen in np.split(order, np.arange(windows, len(order), windows)):
            steps = np.arange(size[chosen].max())
            inside = steps < size[chosen][:, None]
            rows = np.where(inside, begin[chosen][:, None] + steps, 0)
            width = self._next_end[rows] - self._next_begin[rows]
            drawn = self._next_begin[rows] + (rng.random(rows.shape) * width).astype(np.int64)
            targets = self._codes[np.where(inside, drawn, 0)]
            yield WindowBatch(np.where(inside, self._codes[rows], 0), targets, inside)

    def latest(self, history: History, queries: Queries) -> tuple[I64, I64]:
        """What is known of each query: (Q, length) codes, oldest first, and how many are there (Q,)."""
        codes = self.code[last_items(history, queries, self.length)][:, ::-1]
        known = codes != NONE
        order = np.argsort(~known, axis=1, kind="stable")
        return np.maximum(np.take_along_axis(codes, order, axis=1), 0), known.sum(axis=1)


def training_windows(history: History, rows: I64, length: int) -> SequenceWindows:
    """The events `rows` of the history, those with an item."""
    rows = np.sort(rows[history.item[rows] != NONE])
    basket = np.searchsorted(history.basket_starts, rows, side="right") - 1
    return SequenceWindows(history.item[rows], history.user[rows], basket, len(history.items), length)
