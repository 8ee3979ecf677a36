"""Lag, progress and the watchdog's judgement, taken from the consumer a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from faust.types import TP

from streams.app import Progress
from streams.lanes import Lanes
from streams.metrics import Metrics


class Monitor:
    """Reads the consumer, sets the gauges, and notices when there is lag and nothing moves."""

    def __init__(
        self,
        app: Any,
        lanes: Lanes,
        progress: Progress,
        metrics: Metrics,
        watchdog_s: float,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._progress = progress
        self._metrics = metrics
        self._watchdog_s = watchdog_s
        self._now = now
        self._monotonic = monotonic
        self._lag: dict[TP, int | None] = {}
        self._target: dict[TP, int] | None = None
        self._seen = -1
        self._moved_at = monotonic()
        self.assigned = 0
        self.stalled_s: float | None = None
        """How long there has been lag without progress, once it is longer than allowed."""

    def update(self) -> None:
        """Take a look. Time in which the store is known to be away does not count as a stall: the lanes are retrying."""
        consumer = self._app.consumer
        before, self._lag = self._lag.keys(), consumer.lag()
        self._forget(before - self._lag.keys())
        self.assigned = len(self._lag)
        processed = consumer.processed()
        now = self._now()
        for tp, lag in self._lag.items():
            labels = (tp.topic, str(tp.partition))
            if lag is not None:
                self._metrics.lag_records.labels(*labels).set(lag)
                sent_at = self._progress.sent_at.get(tp)
                behind = max(0.0, now - sent_at) if lag and sent_at is not None else 0.0
                self._metrics.lag_seconds.labels(*labels).set(behind)
            if tp in processed:
                self._metrics.processed_offset.labels(*labels).set(processed[tp])
        clock = self._monotonic()
        if (
            self._progress.batches != self._seen
            or not any(self._lag.values())
            or self._lanes.trouble is not None
        ):
            self._seen = self._progress.batches
            self._moved_at = clock
        stalled = clock - self._moved_at
        self.stalled_s = stalled if stalled > self._watchdog_s else None

    def _forget(self, gone: set[TP]) -> None:
        """Another worker tells of these partitions now."""
        for tp in gone:
            self._progress.sent_at.pop(tp, None)
            labels = (tp.topic, str(tp.partition))
            for gauge in (
                self._metrics.lag_records,
                self._metrics.lag_seconds,
                self._metrics.processed_offset,
            ):
                with suppress(KeyError):
                    gauge.remove(*labels)

    def behind(self) -> str:
        """The partitions with lag, for an error message."""
        return ", ".join(
            f"{tp.topic}/{tp.partition} by {lag}" for tp, lag in sorted(self._lag.items()) if lag
        )

    async def drained(self) -> bool:
        """Whether all that was there when every partition's end was first known has been processed."""
        if not self._lag or self._app.rebalancing or any(lag is None for lag in self._lag.values()):
            return False
        if self._target is None or self._target.keys() != self._lag.keys():
            self._target = {tp: self._app.consumer.highwater(tp) for tp in self._lag}
            return False
        return self._lanes.idle and all(
            self._app.consumer.highwater(tp) - (lag or 0) >= self._target[tp] for tp, lag in self._lag.items()
        )
