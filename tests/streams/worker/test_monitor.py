"""Lag, drain and the watchdog's judgement."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiokafka.errors import TopicAuthorizationFailedError
from faust.types import TP

from streams.metrics import Metrics
from streams.worker.monitor import Monitor

A, B = TP("clicks", 0), TP("clicks", 1)


@dataclass
class Consumer:
    """What the consumer tells, set by hand."""

    lags: dict[TP, int | None]
    ends: dict[TP, int] = field(default_factory=dict)
    unreadable: dict[TP, Exception] = field(default_factory=dict)
    open_transactions: int = 0
    sent: dict[TP, float] = field(default_factory=dict)

    def lag(self) -> dict[TP, int | None]:
        return dict(self.lags)

    def reached(self) -> dict[TP, int]:
        return {tp: self.ends.get(tp, 0) - (lag or 0) for tp, lag in self.lags.items()}

    def end(self, tp: TP) -> int:
        return self.ends[tp]

    def sent_at(self, tp: TP) -> float | None:
        return self.sent.get(tp)

    def held_back(self, tp: TP) -> int:
        return self.open_transactions


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


def monitor(consumer: Consumer, lane: Waiting | None = None) -> tuple[Monitor, Metrics, Clock]:
    metrics, clock = Metrics(), Clock()
    made = Monitor(App(consumer), lane or Waiting(), metrics, 60.0, clock, clock)  # type: ignore[arg-type]
    return made, metrics, clock


def test_lag_without_progress_is_a_stall() -> None:
    """A consumer that died silently is noticed after the configured time, and the partition is named."""
    made, _, clock = monitor(Consumer({A: 5, B: 0}))
    made.update()
    clock.at += 59
    made.update()
    assert made.problem(drain=False) is None
    clock.at += 2
    made.update()
    assert made.problem(drain=False) == (
        "there is lag and no progress for 61 s (daemon.watchdog_s): clicks/0 by 5"
    )


def test_one_partition_that_stands_still_is_noticed_while_others_move() -> None:
    """Another partition's progress says nothing of one that is wedged."""
    consumer = Consumer({A: 5, B: 1000}, {A: 5, B: 1000})
    made, *_, clock = monitor(consumer)
    for moved in range(1, 8):
        made.update()
        clock.at += 10
        consumer.lags[B] = 1000 - moved
    made.update()
    assert list(made.stalled) == [A]
    assert "clicks/0 by 5" in (made.problem(drain=False) or "")


def test_a_partition_whose_lag_is_new_is_given_its_time() -> None:
    """The clock of a partition starts when it last moved or had no lag, not when the daemon did."""
    consumer = Consumer({A: 0}, {A: 10})
    made, *_, clock = monitor(consumer)
    made.update()
    clock.at += 500
    made.update()
    consumer.lags = {A: 3}
    consumer.ends = {A: 13}
    clock.at += 59
    made.update()
    assert not made.stalled


def test_progress_no_lag_and_a_store_away_are_no_stall() -> None:
    """Slow is not stuck; idle is not stuck; waiting for the store is said elsewhere."""
    lane = Waiting()
    consumer = Consumer({A: 5}, {A: 100})
    made, *_, clock = monitor(consumer, lane)
    for step in range(3):
        clock.at += 50
        consumer.ends = {A: 100 + step}
        made.update()
    assert not made.stalled
    lane.trouble = "store unavailable"
    clock.at += 500
    made.update()
    assert not made.stalled
    lane.trouble = None
    consumer.lags = {A: 0}
    clock.at += 500
    made.update()
    assert not made.stalled


def test_a_partition_that_cannot_be_read_is_told_at_once_and_ends_the_daemon_if_it_lasts() -> None:
    """The topic and what is missing are named; a drain does not wait for it for long; what heals is forgotten."""
    consumer = Consumer({A: None, B: 0}, {B: 0}, {A: TopicAuthorizationFailedError("clicks")})
    made, *_, clock = monitor(consumer)
    made.update()
    assert "no permission to read topic clicks: grant this user the operation Read" in (made.unreadable or "")
    assert made.problem(drain=True) is None
    clock.at += 11
    made.update()
    assert made.problem(drain=False) is None
    assert "no permission to read topic clicks" in (made.problem(drain=True) or "")
    clock.at += 50
    made.update()
    assert "no permission to read topic clicks" in (made.problem(drain=False) or "")
    consumer.unreadable = {}
    made.update()
    assert (made.unreadable, made.problem(drain=True)) == (None, None)


def test_lag_in_records_and_seconds() -> None:
    """Lag in seconds is the age of the newest processed record, and 0 without lag; lost partitions are gone."""
    consumer = Consumer({A: 5, B: 0}, {A: 15, B: 7})
    made, metrics, clock = monitor(consumer)
    consumer.sent.update({A: clock.at - 30, B: clock.at - 90})
    made.update()
    value = metrics.registry.get_sample_value
    a, b = {"topic": "clicks", "partition": "0"}, {"topic": "clicks", "partition": "1"}
    assert value("driftline_consumer_lag_records", a) == 5
    assert value("driftline_consumer_lag_seconds", a) == 30
    assert value("driftline_consumer_lag_seconds", b) == 0
    assert value("driftline_processed_offset", b) == 7
    consumer.open_transactions = 3
    made.update()
    assert value("driftline_open_transaction_records", b) == 3
    consumer.lags = {B: 0}
    made.update()
    for name in ("consumer_lag_records", "open_transaction_records"):
        assert value(f"driftline_{name}", a) is None


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
    consumer.ends, consumer.lags = {A: 3}, {A: 0}
    assert drained()  # a topic made again: there is nothing left to wait for
