"""From when on it is known that an item exists: what competes for a request, in training as in an evaluation."""

from __future__ import annotations

import numpy as np

from streams.learning.history import History
from transfer.arrays import F64, I64
from transfer.codes import NONE


def known_since(history: History, rows: I64 | None = None) -> F64:
    """(N,) the moment (itself included) from which on each item competes; infinite: never.

    That is right after anyone's first event with it, or when the catalogue says that it is available. Where times of different
    users are not compared, `rows` are the events that are known whenever it is: their items compete at any time.
    """
    since: F64 = np.full(len(history.items), np.inf)
    items = history.item if rows is None else history.item[rows]
    kept = items != NONE
    if rows is not None:
        since[items[kept]] = -np.inf
        return since
    np.minimum.at(since, items[kept], history.time[kept])
    np.nextafter(since, np.inf, out=since)  # strictly later than the first event
    if history.available_from is not None:
        np.minimum(since, history.available_from, out=since)
    return since
