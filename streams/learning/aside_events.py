"""Events of a log that are no acts: those against items, and impressions. What learns takes none of them for a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.events.columns import EventColumns
from transfer.arrays import F32, F64, I32, U8, U64, Bool
from transfer.codes import NONE


@dataclass(frozen=True, slots=True, eq=False)
class AsideEvents:
    """A events on items, of users who act, in order of (user, time, key)."""

    user: I32
    item: I32
    """(A,) row of the history's items"""
    time: F64
    action: U8
    key: U64
    weight: F32 | None
    """(A,) factor of the action's weight, None: 1"""

    def __len__(self) -> int:
        return len(self.time)


def aside_events(
    columns: EventColumns, chosen: Bool, users: Mapping[str, int], items: Mapping[str, int]
) -> AsideEvents | None:
    """Those of the columns that are chosen (B,), with the codes of a history; None: there are none.

    users, items: name -> code; events of others are left out, nobody is asked for them.
    """
    user_code = np.array([users.get(name, NONE) for name in columns.users], np.int32)
    item_code = np.array([*(items.get(name, NONE) for name in columns.items), NONE], np.int32)
    user, item = user_code[columns.user], item_code[columns.item]
    rows = np.flatnonzero(chosen & (user != NONE) & (item != NONE))
    if not len(rows):
        return None
    rows = rows[np.lexsort((columns.key[rows], columns.time[rows], user[rows]))]
    return AsideEvents(
        user[rows],
        item[rows],
        columns.time[rows],
        columns.action[rows],
        columns.key[rows],
        None if columns.weight is None else columns.weight[rows],
    )
