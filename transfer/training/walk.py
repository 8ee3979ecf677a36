"""Every state that a log passes through, by the code that also serves: all users' first baskets, all second ones, ..."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F32, F64, I32, I64, U8, U64
from transfer.config import InterestConfig
from transfer.rows import group_starts, offsets_of, rows_of
from transfer.state.states import InterestStates, empty_states, take_users
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events


@dataclass(frozen=True, slots=True, eq=False)
class AsideLog:
    """A events of weights of 0 or below, in order of (user, time, key)."""

    user: I32
    time: F64
    key: U64
    action: U8
    item: I32
    """(A,) row of the log's `item_keys` and `vectors`"""
    weight: F64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """E distinct events of U users in order of (user, time, key), of weights above 0."""

    offsets: I64
    """(U + 1,) each user's events"""
    user: I32
    time: F64
    key: U64
    action: U8
    item: I32
    """(E,) row of `item_keys` and `vectors`, -1: text alone, which is left out of the states here"""
    scenario: I32
    scenario_names: Sequence[str]
    item_keys: U64
    vectors: F32
    """(N, D) unit vectors of the items, float32"""
    weight: F64 | None = None
    """(E,) factor of the action's weight, None: 1"""
    aside: AsideLog | None = None
    """what is in the states beside these events; none of it is ever a basket"""

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Wave:
    """The states of some users right before one basket of each."""

    basket: I64
    """(B,) number of the basket in the order of the log"""
    row: I64
    """(B,) its first event: the user's events before this row are in the state, nothing else"""
    states: InterestStates


def baskets(log: EventLog) -> I64:
    """(B,) first row of each basket: the events of one user at one time, which are predicted together."""
    return group_starts([log.user, log.time])


def walk(log: EventLog, config: InterestConfig, start: float = -np.inf) -> Iterator[Wave]:
    """States before every basket from time `start` on, users in waves; exact, also where caps drop something.

    A user's events before `start` are applied at once, which is the same state unless caps came into play.

    Yields waves of at most U baskets; in all as many as there are baskets of users with an earlier event.
    """
    starts = baskets(log)
    owner = log.user[starts]
    users = len(log.offsets) - 1
    early = np.bincount(owner[log.time[starts] < start], minlength=users)
    count = np.bincount(owner, minlength=users)
    first = offsets_of(count)[:-1]
    waves = count - early
    order = np.argsort(-waves, kind="stable")
    bounds = np.append(starts, len(log))
    states = empty_states(users, config)
    if early.any():
        before = np.concatenate(
            [np.arange(log.offsets[u], bounds[first[u] + early[u]]) for u in order.tolist()]
        )
        counts = bounds[(first + early)[order]] - log.offsets[:-1][order]
        states, _ = apply_events(states, _terms(log, before, np.repeat(np.arange(users), counts)), config)
    beside = None if log.aside is None else _Beside(log, log.aside, starts, early, order)
    for number in range(int(waves.max(initial=0))):
        active = order[: int(np.searchsorted(-waves[order], -number, side="left"))]
        if len(active) < states.users:
            states = take_users(states, np.arange(len(active)))
        basket = first[active] + early[active] + number
        if beside is not None:
            states = beside.added(states, number, config)
        known = np.flatnonzero(states.n_events > 0)
        if len(known):
            at = states if len(known) == states.users else take_users(states, known)
            yield Wave(basket[known], starts[basket[known]], at)
        rows, offsets = rows_of(np.append(starts, len(log)), basket)
        terms = _terms(log, rows, np.repeat(np.arange(len(active)), np.diff(offsets)))
        states, _ = apply_events(states, terms, config)


class _Beside:
    """What is not of a basket, each event before the first basket of its user that is later than it."""

    def __init__(self, log: EventLog, aside: AsideLog, starts: I64, early: I64, order: I64) -> None:
        """starts: first rows of baskets. early (U,): baskets of each user that are applied at once. order: of the users."""
        self._log, self._aside = log, aside
        users = len(log.offsets) - 1
        count = len(starts)
        # Baskets first at equal times: what comes with one is not known before it.
        every_user = np.concatenate([log.user[starts], aside.user])
        every_time = np.concatenate([log.time[starts], aside.time])
        late = np.repeat([0, 1], [count, len(aside.time)])
        by_time = np.lexsort((late, every_time, every_user))
        before = np.empty(len(by_time), np.int64)
        before[by_time] = np.cumsum(late[by_time] == 0)
        first = offsets_of(np.bincount(log.user[starts], minlength=users))[:-1]
        wave = np.maximum(before[count:] - first[aside.user] - early[aside.user], 0)
        self._rows = np.argsort(wave, kind="stable")
        self._bounds = offsets_of(np.bincount(wave))
        self._place = np.empty(users, np.int64)
        self._place[order] = np.arange(users)

    def added(self, states: InterestStates, number: int, config: InterestConfig) -> InterestStates:
        """The states before the wave of that number, which are of the first users in their order."""
        if number + 1 >= len(self._bounds):
            return states
        log, aside = self._log, self._aside
        rows = self._rows[self._bounds[number] : self._bounds[number + 1]]
        rows = rows[self._place[aside.user[rows]] < states.users]
        if not len(rows):
            return states
        terms = EventTerms(
            user=self._place[aside.user[rows]].astype(np.int32),
            time=aside.time[rows],
            key=aside.key[rows],
            action=aside.action[rows],
            item=log.item_keys[aside.item[rows]],
            scenario=np.zeros(len(rows), np.int32),
            scenario_names=log.scenario_names,
            vectors=log.vectors,
            vector=aside.item[rows],
            weight=None if aside.weight is None else aside.weight[rows],
        )
        return apply_events(states, terms, config)[0]


def _terms(log: EventLog, rows: I64, user: I64) -> EventTerms:
    with_item = log.item[rows] >= 0
    rows, user = rows[with_item], user[with_item]
    return EventTerms(
        user=user.astype(np.int32),
        time=log.time[rows],
        key=log.key[rows],
        action=log.action[rows],
        item=log.item_keys[log.item[rows]],
        scenario=log.scenario[rows],
        scenario_names=log.scenario_names,
        vectors=log.vectors,
        vector=log.item[rows],
        weight=None if log.weight is None else log.weight[rows],
    )
