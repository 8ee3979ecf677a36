"""What became of events that were to be applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import U8

APPLIED, DUPLICATE, REDELIVERED, FORGOTTEN = 0, 1, 2, 3
OUTCOMES = ("applied", "duplicate", "redelivered", "forgotten")
COLLIDED = len(OUTCOMES)
"""Refused, since its item's id has the key of another one (`streams.ingest.item_collisions`); it is yet to be rejected."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each event, (B,) uint8 code of OUTCOMES, or COLLIDED."""

    code: U8

    @classmethod
    def none(cls) -> Outcome:
        """Of no events."""
        return cls(np.empty(0, np.uint8))

    def rows(self, code: int) -> list[int]:
        """Rows of the events with that outcome, ascending."""
        return np.flatnonzero(self.code == code).tolist()

    def count(self, code: int) -> int:
        """Number of events with that outcome."""
        return int((self.code == code).sum())
