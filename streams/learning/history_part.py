"""A part of a history as a history of its own: what may be counted before a part of the log is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streams.learning.history import History
from transfer.arrays import I64
from transfer.codes import NONE
from transfer.rows import first_of_each, group_starts


@dataclass(frozen=True, slots=True, eq=False)
class HistoryPart:
    """Some events of a history, in a history of their own."""

    history: History
    """users are those who have an event in it; events against items and impressions are not in it"""
    source: I64
    """(E',) row that each of its events has in the whole history"""


def part_of(history: History, rows: I64) -> HistoryPart:
    """The events `rows`, in any order.

    Users and items are coded in order of their first event in the part, so that nothing outside it, such as where a file has
    its rows, changes anything of what is counted; items without an event in it come after them.
    """
    by_time = rows[np.lexsort((history.key[rows], history.time[rows]))]
    users = _in_order_of_sight(history.user[by_time])
    items = _in_order_of_sight(history.item[by_time][history.item[by_time] != NONE])
    rest = np.setdiff1d(np.arange(len(history.items)), items)
    items = np.concatenate([items, rest])
    user_code = np.full(len(history.users), NONE, np.int32)
    user_code[users] = np.arange(len(users))
    item_code = np.full(len(history.items) + 1, NONE, np.int32)  # the last stands for no item
    item_code[items] = np.arange(len(items))
    source = rows[np.lexsort((history.key[rows], history.time[rows], user_code[history.user[rows]]))]
    user, item = user_code[history.user[source]], item_code[history.item[source]]
    own = replace(
        history,
        users=[history.users[code] for code in users.tolist()],
        items=[history.items[code] for code in items.tolist()],
        item_keys=history.item_keys[items],
        item_scenario=history.item_scenario[items],
        item_texts=[history.item_texts[code] for code in items.tolist()],
        media=None
        if history.media is None
        else {name: [each[code] for code in items.tolist()] for name, each in history.media.items()},
        offsets=np.searchsorted(user, np.arange(len(users) + 1)).astype(np.int64),
        user=user,
        item=item,
        scenario=history.scenario[source],
        text=history.text[source],
        time=history.time[source],
        action=history.action[source],
        key=history.key[source],
        debut=first_of_each([user, item]) & (item != NONE),
        weight=None if history.weight is None else history.weight[source],
        aside=None,
        catalogue_scenario=None if history.catalogue_scenario is None else history.catalogue_scenario[items],
        available_from=None if history.available_from is None else history.available_from[items],
    )
    return HistoryPart(own, source)


def _in_order_of_sight(codes: np.ndarray) -> I64:
    """The distinct ones, in order of their first place.

    >>> _in_order_of_sight(np.array([5, 2, 5, 9])).tolist()
    [5, 2, 9]
    """
    order = np.argsort(codes, kind="stable")
    first = np.sort(order[group_starts([codes[order]])])
    found: I64 = codes[first].astype(np.int64)
    return found
