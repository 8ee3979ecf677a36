"""LearnedRows: the events that a method has learned, and whether enough new ones have come to fit again."""

from __future__ import annotations

import numpy as np

from transfer.arrays import I64


class LearnedRows:
    """Grows by `add`; `due` once it has grown by `share` since the last `taken`.

    >>> known = LearnedRows(np.arange(100), share=0.05)
    >>> known.add(np.arange(100, 104)); known.due
    False
    >>> known.add(np.arange(104, 105)); known.due
    True
    >>> len(known.taken()), known.due
    (105, False)
    """

    def __init__(self, rows: I64, share: float) -> None:
        self._parts = [rows]
        self._count = self._taken = len(rows)
        self._share = share

    def add(self, rows: I64) -> None:
        """These have happened too."""
        self._parts.append(rows)
        self._count += len(rows)

    @property
    def due(self) -> bool:
        """Whether enough is new."""
        return self._count > self._taken and self._count >= self._taken * (1 + self._share)

    def taken(self) -> I64:
        """All rows so far, in the order in which they came; growth counts from here on."""
        self._parts = [np.concatenate(self._parts)]
        self._taken = self._count
        return self._parts[0]
