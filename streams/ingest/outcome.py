"""What became of events that were to be applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import U8

APPLIED, DUPLICATE, REDELIVERED = 0, 1, 2
OUTCOMES = ("applied", "duplicate", "redelivered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each event, (B,) uint8 code of OUTCOMES."""

    code: U8

    @classmethod
    def none(cls) -> Outcome:
        """Of no events."""
        return cls(np.empty(0, np.uint8))

    def count(self, code: int) -> int:
        """Number of events with that outcome."""
        return int((self.code == code).sum())
