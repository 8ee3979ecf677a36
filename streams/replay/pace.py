"""How fast a log is sent: at once, so many events a second, or so many times as fast as it happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64


@dataclass(frozen=True, slots=True)
class Pace:
    """At most one of both; neither: at once.

    rate: events a second. speed: multiples of the log's own time; 1 is as it happened.
    """

    rate: float | None = None
    speed: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything is waited for."""
        return self.rate is not None or self.speed is not None

    def __post_init__(self) -> None:
        if self.rate is not None and self.speed is not None:
            raise ValueError(
                "give a rate, events a second, or a speed, multiples of the log's time, not both"
            )


class Schedule:
    """When events are due, in seconds from the first one on.

    An event that is older than one before it in the log is due at once: the log's order is kept.

    >>> Schedule(Pace(speed=10.0)).due(np.array([100.0, 120.0, 110.0, 150.0])).tolist()
    [0.0, 2.0, 2.0, 5.0]
    >>> Schedule(Pace(rate=4.0)).due(np.array([100.0, 120.0, 110.0])).tolist()
    [0.0, 0.25, 0.5]
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._count = 0
        self._first: float | None = None
        self._latest = -np.inf

    def due(self, times: F64) -> F64:
        """(B,) seconds, ascending; times: (B,) unix seconds of the next events."""
        if not len(times):
            return np.zeros(0)
        if self._pace.rate is not None:
            due: F64 = (self._count + np.arange(len(times))) / self._pace.rate
            self._count += len(times)
            return due
        if self._pace.speed is None:
            return np.zeros(len(times))
        if self._first is None:
            self._first = float(times[0])
        reached = np.maximum(np.maximum.accumulate(times), self._latest)
        self._latest = float(reached[-1])
        waits: F64 = np.maximum(0.0, reached - self._first) / self._pace.speed
        return waits
