"""Lag, progress and the watchdog's judgement, taken from the consumer a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from faust.types import TP

from streams.metrics import Metrics
from streams.transport.unreadable import why_unreadable
from streams.worker.lanes import Lanes
from streams.worker.partition_gauges import PartitionFacts, PartitionGauges

DRAIN_PATIENCE_S = 10.0
"""How long a partition may be unreadable before a drain gives up: a leader that moves takes a few seconds."""


class Monitor:
    """Reads the consumer, sets the gauges, and notices when a partition has lag and does not move.

    Lag is counted in offsets up to where the partition can be read to, from where we are, not from the last record that was
    processed: what a marker or a compaction left behind is no lag, nor is what an open transaction holds back.
    """

    def __init__(
        self,
        app: Any,
        lanes: Lanes,
        metrics: Metrics,
        watchdog_s: float,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._gauges = PartitionGauges(metrics)
        self._watchdog_s = watchdog_s
        self._now = now
        self._monotonic = monotonic
        self._lag: dict[TP, int | None] = {}
        self._target: dict[TP, int] | None = None
        self._reached: dict[TP, int] = {}
        self._moved_at: dict[TP, float] = {}
        self._unreadable: dict[TP, tuple[float, str]] = {}
        self.assigned = 0
        self.stalled: dict[TP, float] = {}
        """Partitions with lag that have not moved for longer than allowed, and for how many seconds."""

    def update(self) -> None:
        """Take a look. Time in which the store is known to be away does not count as a stall: the lanes are retrying."""
        consumer, clock = self._app.consumer, self._monotonic()
        before, self._lag = self._lag.keys(), consumer.lag()
        for gone in before - self._lag.keys():  # another worker tells of these partitions now
            self._moved_at.pop(gone, None)
        self.assigned = len(self._lag)
        reached, now = consumer.reached(), self._now()
        waiting = self._lanes.trouble is not None
        found = {}
        for tp, lag in self._lag.items():
            sent_at = consumer.sent_at(tp)
            behind_s = max(0.0, now - sent_at) if lag and sent_at is not None else 0.0
            held_back = 0 if lag is None else consumer.held_back(tp)
            found[tp] = PartitionFacts(lag, behind_s, held_back, reached.get(tp))
            if waiting or not lag or reached.get(tp) != self._reached.get(tp) or tp not in self._moved_at:
                self._moved_at[tp] = clock
        self._gauges.show(found)
        self._reached = reached
        self.stalled = {tp: clock - at for tp, at in self._moved_at.items() if clock - at > self._watchdog_s}
        errors = consumer.unreadable
        self._unreadable = {
            tp: (self._unreadable.get(tp, (clock, ""))[0], why_unreadable(tp, error))
            for tp, error in errors.items()
        }

    @property
    def unreadable(self) -> str | None:
        """Why a partition can't be read at present, for /ready."""
        return next((why for _, why in self._unreadable.values()), None)

    def problem(self, drain: bool) -> str | None:
        """Why the daemon should end: a partition that stands still, or can't be read, for longer than allowed."""
        clock = self._monotonic()
        for since, why in self._unreadable.values():
            if clock - since > (min(DRAIN_PATIENCE_S, self._watchdog_s) if drain else self._watchdog_s):
                return why
        if not self.stalled:
            return None
        listed = ", ".join(f"{tp.topic}/{tp.partition} by {self._lag[tp]}" for tp in sorted(self.stalled))
        return f"there is lag and no progress for {max(self.stalled.values()):.0f} s (daemon.watchdog_s): {listed}"

    async def drained(self) -> bool:
        """Whether all that could be read when every partition's end was first known has been processed."""
        if not self._lag or self._app.rebalancing or any(lag is None for lag in self._lag.values()):
            return False
        if self._target is None or self._target.keys() != self._lag.keys():
            self._target = {tp: self._app.consumer.end(tp) for tp in self._lag}
            return False
        return self._lanes.idle and all(
            lag == 0 or self._reached.get(tp, 0) >= self._target[tp] for tp, lag in self._lag.items()
        )
