"""Where items belong, by what is known before a part of the log is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.learning.history import History
from transfer.arrays import I64
from transfer.codes import NONE
from transfer.item_scenarios import item_scenarios


def with_homes_of(history: History, rows: I64) -> History:
    """The history with `item_scenario` by the events `rows`, and by no event after them but one.

    An item that none of the rows has belongs where its first event is: whoever is asked for it later knows that event. The
    rule is that of `transfer.item_scenarios`, in which a single event says nothing of whether items belong at all.
    """
    item, scenario = history.item, history.scenario
    taken = np.zeros(len(history), np.bool_)
    taken[rows] = True
    had = np.zeros(len(history.items), np.bool_)
    had[item[rows][item[rows] != NONE]] = True
    # The earliest event of each item; of equal times the first row.
    by_time = np.argsort(history.time, kind="stable")
    by_time = by_time[item[by_time] != NONE]
    met, at = np.unique(item[by_time], return_index=True)
    taken[by_time[at[~had[met]]]] = True
    counted = taken & (item != NONE) & (scenario != NONE)
    by_catalogue = history.catalogue_scenario
    if by_catalogue is None:
        by_catalogue = np.full(len(history.items), NONE, np.int32)
    known = (
        int(scenario.max(initial=NONE)) + 1
    )  # the names of events come before those of the catalogue alone
    homes = item_scenarios(
        item[counted],
        scenario[counted],
        np.ones(int(counted.sum())),
        by_catalogue,
        history.scenarios[:known],
    )
    return replace(history, item_scenario=homes)
