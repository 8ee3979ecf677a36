"""What a call has sent to the store so far, so that what is found there later can be traced to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streams.ingest.outcome import APPLIED, DUPLICATE
from streams.ingest.preparation import PreparedEvents
from transfer.arrays import I64, U8, Bool


@dataclass(slots=True, eq=False)
class _Try:
    """A write that was sent, and which of the call's events are in it."""

    prepared: PreparedEvents
    rows: I64
    """(B',) of each prepared event in the call's columns, ascending; -1 once it is left out"""


class Tries:
    """The writes of one call for `events` events. For one thread."""

    def __init__(self, events: int) -> None:
        self._tries: dict[int, _Try] = {}
        # Of each event the last try that it was in, and what comes of it if that was taken.
        self._last = np.full(events, -1, np.int64)
        self._expected = np.zeros(events, np.uint8)

    def note(self, rows: I64, prepared: PreparedEvents) -> None:
        """These events are about to be sent: should they be found inside later, this is what brought them there."""
        number = max(self._tries, default=-1) + 1
        self._tries[number] = _Try(prepared, rows)
        self._last[rows] = number
        self._expected[rows] = np.where(prepared.applied, APPLIED, DUPLICATE)
        still = set(np.unique(self._last).tolist())
        self._tries = {key: one for key, one in self._tries.items() if key in still}

    def sent(self, rows: I64) -> I64:
        """Those of the rows that were in a try."""
        return rows[self._last[rows] >= 0]

    def expected(self, rows: I64) -> U8:
        """What comes of rows that were in a try, if the last one was taken: codes of OUTCOMES."""
        return self._expected[rows]

    def parts(self, rows: I64) -> Iterator[tuple[PreparedEvents, Bool]]:
        """Rows that were in a try by the last one: what it prepared, and (B',) which events of it they are."""
        for number in np.unique(self._last[rows]).tolist():
            one = self._tries[number]
            yield one.prepared, np.isin(one.rows, rows[self._last[rows] == number])

    def leave_out(self, kept: Bool) -> None:
        """Continue with these events of the call, (B,) bool, alone; may be called again."""
        self._last, self._expected = self._last[kept], self._expected[kept]
        moved = np.cumsum(kept) - 1
        for one in self._tries.values():
            # What is left out, or was before, is in no later count: it keeps a place that is never asked for.
            one.rows = np.where((one.rows >= 0) & kept[one.rows], moved[one.rows], -1)

    def clear(self) -> None:
        """The call is done."""
        self._tries.clear()
