"""What speaks against items, and what was merely shown: kept apart from what a user did.

Neither has any effect on sums, counts, times, ring and own items of `InterestStates`. Events of a weight below 0 have a
decayed sum of their own, relative to a time of their own, and a ring of their own: the latest of them, which says what is
hidden and which of them are duplicates. All of that is exact, a function of the set of events; an event older than all of a
full ring is added even if it was there before. Events of weight 0 are counted by item, in a list that is capped as that of the
own items is; an impression that comes twice counts twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I64, U8, U32, U64
from transfer.rows import offsets_of, rows_of, segment_max, sizes_of


@dataclass(frozen=True, slots=True, eq=False)
class HiddenRows:
    """The latest events against items of U users, H in all, ascending by (time, key) within a user."""

    offsets: I64
    key: U64
    time: F64
    item: U64
    """(H,) item key, 0 for text alone"""
    action: U8

    def take(self, rows: I64, offsets: I64) -> "HiddenRows":
        """Some of the rows, as the rows of other users."""
        return HiddenRows(offsets, self.key[rows], self.time[rows], self.item[rows], self.action[rows])


@dataclass(frozen=True, slots=True, eq=False)
class ShownRows:
    """Items that were shown to U users and not acted on, ascending by item within a user."""

    offsets: I64
    item: U64
    count: F64
    """(N,) how often, decayed at the longest half-life as of `last`"""
    number: U32
    """(N,) how often in all"""
    last: F64


@dataclass(frozen=True, slots=True, eq=False)
class AsideStates:
    """Of U users; arrays are never written to."""

    t_against: F64
    """(U,) time of the latest event against an item, -inf if none."""
    n_against: I64
    """(U,) how many there were."""
    mass: F64
    """(U,) decayed sum of their weights' sizes at the longest half-life, as of `t_against`."""
    sums: F64
    """(U, D) the same of size times vector."""
    hidden: HiddenRows
    shown: ShownRows

    @property
    def users(self) -> int:
        """Number of users, U."""
        return len(self.mass)

    def latest(self) -> F64:
        """(U,) time of the latest event of either kind, -inf if none."""
        return np.maximum(self.t_against, segment_max(self.shown.last, self.shown.offsets, -np.inf))


def empty_aside(users: int, dim: int) -> AsideStates:
    """Of users without such events.

    >>> empty_aside(2, 8).sums.shape
    (2, 8)
    """
    offsets = np.zeros(users + 1, np.int64)
    none, keys = np.zeros(0), np.zeros(0, np.uint64)
    return AsideStates(
        t_against=np.full(users, -np.inf),
        n_against=np.zeros(users, np.int64),
        mass=np.zeros(users),
        sums=np.zeros((users, dim)),
        hidden=HiddenRows(offsets, keys, none, keys, np.zeros(0, np.uint8)),
        shown=ShownRows(offsets, keys, none, np.zeros(0, np.uint32), none),
    )


def take_aside(aside: AsideStates | None, rows: I64) -> AsideStates | None:
    """Of some users; None: of nobody there is anything."""
    if aside is None:
        return None
    hidden, hidden_offsets = rows_of(aside.hidden.offsets, rows)
    shown, shown_offsets = rows_of(aside.shown.offsets, rows)
    if not len(hidden) and not len(shown):
        return None
    return AsideStates(
        aside.t_against[rows],
        aside.n_against[rows],
        aside.mass[rows],
        aside.sums[rows],
        aside.hidden.take(hidden, hidden_offsets),
        ShownRows(
            shown_offsets,
            aside.shown.item[shown],
            aside.shown.count[shown],
            aside.shown.number[shown],
            aside.shown.last[shown],
        ),
    )


def stack_aside(parts: Sequence[tuple[AsideStates | None, int]], dim: int) -> AsideStates | None:
    """Of the users of all parts, each with its number of users."""
    if all(part is None for part, _ in parts):
        return None
    each = [part if part is not None else empty_aside(users, dim) for part, users in parts]
    hidden, shown = [one.hidden for one in each], [one.shown for one in each]
    return AsideStates(
        np.concatenate([one.t_against for one in each]),
        np.concatenate([one.n_against for one in each]),
        np.concatenate([one.mass for one in each]),
        np.concatenate([one.sums for one in each]),
        HiddenRows(
            offsets_of(np.concatenate([sizes_of(one.offsets) for one in hidden])),
            np.concatenate([one.key for one in hidden]),
            np.concatenate([one.time for one in hidden]),
            np.concatenate([one.item for one in hidden]),
            np.concatenate([one.action for one in hidden]),
        ),
        ShownRows(
            offsets_of(np.concatenate([sizes_of(one.offsets) for one in shown])),
            np.concatenate([one.item for one in shown]),
            np.concatenate([one.count for one in shown]),
            np.concatenate([one.number for one in shown]),
            np.concatenate([one.last for one in shown]),
        ),
    )
