"""Packed states of a log at chosen moments, by the same walk as training: what requests are made of."""

from __future__ import annotations

import numpy as np

from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.state.packing import pack_states
from transfer.state.states import take_users
from transfer.training.walk import EventLog, walk


def packed_states_at(log: EventLog, config: InterestConfig, rows: I64) -> dict[int, bytes]:
    """The packed state of the user right before each of `rows` (first rows of baskets), by row.

    Rows of users without earlier events are left out. A state takes some kilobytes.
    """
    if not len(rows):
        return {}
    wanted = np.zeros(len(log) + 1, np.bool_)
    wanted[rows] = True
    # Before the earliest moment of anyone nothing is asked; all of it is one step.
    start = float(log.time[rows].min())
    found: dict[int, bytes] = {}
    for wave in walk(log, config, start):
        chosen = np.flatnonzero(wanted[wave.row])
        if len(chosen):
            at = wave.states if len(chosen) == wave.states.users else take_users(wave.states, chosen)
            found.update(zip(wave.row[chosen].tolist(), pack_states(at, config), strict=True))
    return found
