"""When a record was written: by this machine's clock, or by the record's own time where the clock is behind.

An event far ahead of the present has a wrong clock. If the present is read from a clock that is itself behind, every good event
is ahead; that is the machine's fault and no record's. So each record is judged against the later of the machine's clock and
the record's Kafka timestamp, as far as that can be believed:

- a broker's (LogAppendTime, `timestamp_type` 1) always;
- a producer's (CreateTime) as far as others agree: a record is not taken to be later than the 95th percentile of the latest 100
  of its partition. So one producer in twenty may be wrong without making its own events credible; a machine that is behind is
  behind all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from transfer.arrays import F64

LATEST: Final = 100
PERCENTILE: Final = 95.0
BELIEVABLE_S: Final = 100 * 365.25 * 86400.0
"""A record further ahead than that has its timestamp in another unit."""
TOLD_S: Final = 60.0
"""How far the machine's clock has to be behind to be reported."""


class RecordClock:
    """Judges times of records. Thread-safe.

    now: the machine's clock, unix seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._leads: dict[tuple[str, int], F64] = {}

    def references(self, topic: str, partition: int, records: Sequence[Any]) -> F64:
        """(N,) unix seconds: the present, as it was for each of the fetched records, and never before the machine's clock."""
        now = self._now()
        if not records:
            return np.empty(0)
        lead = np.array([record.timestamp for record in records], np.float64) / 1000 - now
        lead[lead > BELIEVABLE_S] = 0.0
        by_broker = np.array([record.timestamp_type == 1 for record in records])
        with self._lock:
            latest = np.concatenate([self._leads.get((topic, partition), np.empty(0)), lead[-LATEST:]])
            self._leads[topic, partition] = latest = latest[-LATEST:]
        agreed = _agreed(latest)
        return now + np.maximum(0.0, np.where(by_broker, lead, np.minimum(lead, agreed)))

    def forget(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Of partitions that are another worker's now."""
        with self._lock:
            for partition in partitions:
                self._leads.pop(partition, None)

    @property
    def behind_s(self) -> float:
        """How far the machine's clock is behind the latest records, in the median of the partitions; 0 within `TOLD_S`."""
        with self._lock:
            agreed = [_agreed(latest) for latest in self._leads.values()]
        behind = float(np.median(agreed)) if agreed else 0.0
        return behind if behind > TOLD_S else 0.0

    @property
    def warning(self) -> str | None:
        """What to say of it on /ready."""
        behind = self.behind_s
        if not behind:
            return None
        return (
            f"this machine's clock is {behind:,.0f} s behind the time that the records carry; set it right. "
            "Until then events are judged by the records' time"
        )


def _agreed(leads: F64) -> float:
    """How far ahead of the machine's clock the present may be, as most of the latest records have it."""
    return float(np.percentile(leads, PERCENTILE, method="lower")) if len(leads) else 0.0
