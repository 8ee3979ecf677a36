"""Lag, drain and the watchdog's judgement."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from faust.types import TP

from streams.app import Progress
from streams.metrics import Metrics
from streams.monitor import Monitor

A, B = TP("clicks", 0), TP("clicks", 1)


@dataclass
class Consumer:
    """What Faust's consumer tells, set by hand."""

    lags: dict[TP, int | None]
    ends: dict[TP, int] = field(default_factory=dict)

    def lag(self) -> dict[TP, int | None]:
        return dict(self.lags)

    def processed(self) -> dict[TP, int]:
        return {tp: self.ends.get(tp, 0) - (lag or 0) for tp, lag in self.lags.items()}

    def highwater(self, tp: TP) -> int:
        return self.ends[tp]


@dataclass
class App:
    consumer: Consumer
    rebalancing: bool = False


@dataclass
class Waiting:
    """The lanes, as far as they are looked at."""

    trouble: str | None = None
    idle: bool = True


@dataclass
class Clock:
    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


def monitor(consumer: Consumer, lane: Waiting | None = None) -> tuple[Monitor, Progress, Metrics, Clock]:
    progress, metrics, clock = Progress(), Metrics(), Clock()
    made = Monitor(App(consumer), lane or Waiting(), progress, metrics, 60.0, clock, clock)  # type: ignore[arg-type]
    return made, progress, metrics, clock


def test_lag_without_progress_is_a_stall() -> None:
    """A consumer that died silently is noticed after the configured time, and the partition is named."""
    made, progress, _, clock = monitor(Consumer({A: 5, B: 0}))
    progress.batches = 1
    made.update()
    clock.at += 59
    made.update()
    assert made.stalled_s is None
    clock.at += 2
    made.update()
    assert made.stalled_s is not None and made.stalled_s > 60
    assert made.behind() == "clicks/0 by 5"


def test_progress_no_lag_and_a_store_away_are_no_stall() -> None:
    """Slow is not stuck; idle is not stuck; waiting for the store is said elsewhere."""
    lane = Waiting()
    consumer = Consumer({A: 5})
    made, progress, _, clock = monitor(consumer, lane)
    for _ in range(3):
        clock.at += 50
        progress.batches += 1
        made.update()
    assert made.stalled_s is None
    lane.trouble = "store unavailable"
    clock.at += 500
    made.update()
    assert made.stalled_s is None
    lane.trouble = None
    consumer.lags = {A: 0}
    clock.at += 500
    made.update()
    assert made.stalled_s is None


def test_lag_in_records_and_seconds() -> None:
    """Lag in seconds is the age of the newest processed record, and 0 without lag; lost partitions are gone."""
    consumer = Consumer({A: 5, B: 0}, {A: 15, B: 7})
    made, progress, metrics, clock = monitor(consumer)
    progress.sent_at.update({A: clock.at - 30, B: clock.at - 90})
    made.update()
    value = metrics.registry.get_sample_value
    a, b = {"topic": "clicks", "partition": "0"}, {"topic": "clicks", "partition": "1"}
    assert value("driftline_consumer_lag_records", a) == 5
    assert value("driftline_consumer_lag_seconds", a) == 30
    assert value("driftline_consumer_lag_seconds", b) == 0
    assert value("driftline_processed_offset", b) == 7
    consumer.lags = {B: 0}
    made.update()
    assert value("driftline_consumer_lag_records", a) is None


def test_drained_means_what_was_there_at_first_sight() -> None:
    """Records that arrive later don't keep a drain from ending; a partition whose end is unknown does."""
    consumer = Consumer({A: None}, {A: 10})
    made, *_ = monitor(consumer)

    def drained() -> bool:
        made.update()
        return asyncio.run(made.drained())

    assert not drained()
    consumer.lags = {A: 4}
    assert not drained()  # the end is noted: 10
    consumer.ends, consumer.lags = {A: 14}, {A: 5}
    assert not drained()
    consumer.lags = {A: 4}
    assert drained()
