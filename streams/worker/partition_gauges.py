"""The gauges of partitions: lag, age, position, open transactions. A bounded set, however many topics a pattern matches."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from faust.types import TP

from streams.metrics import OTHER_TOPICS, Metrics, partition_labels

Labels = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """What is told of one partition. lag: None until a fetch has reported the end, and then neither the next two count."""

    lag: int | None
    behind_s: float
    held_back: int
    reached: int | None


class PartitionGauges:
    """Sets the gauges, and takes back those of partitions that another worker tells of now.

    Topics beyond the first `streams.metrics.MOST_TOPICS` are told together: their lags as sums, their age as the highest.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shown: set[Labels] = set()

    def show(self, found: Mapping[TP, PartitionFacts]) -> None:
        """Tell of these partitions, and of no others."""
        metrics, ages, lags, held = (
            self._metrics,
            dict[Labels, float](),
            dict[Labels, int](),
            dict[Labels, int](),
        )
        shown: set[Labels] = set()
        for tp, facts in found.items():
            labels = partition_labels(metrics, tp.topic, tp.partition)
            shown.add(labels)
            if facts.lag is not None:
                lags[labels] = lags.get(labels, 0) + facts.lag
                held[labels] = held.get(labels, 0) + facts.held_back
                ages[labels] = max(ages.get(labels, 0.0), facts.behind_s)
            if facts.reached is not None and labels[0] != OTHER_TOPICS:
                metrics.processed_offset.labels(*labels).set(facts.reached)
        for labels, lag in lags.items():
            metrics.lag_records.labels(*labels).set(lag)
            metrics.lag_seconds.labels(*labels).set(ages[labels])
            metrics.open_transactions.labels(*labels).set(held[labels])
        gauges = (
            metrics.lag_records,
            metrics.lag_seconds,
            metrics.processed_offset,
            metrics.open_transactions,
        )
        for labels in self._shown - shown:
            for gauge in gauges:
                with suppress(KeyError):
                    gauge.remove(*labels)
        self._shown = shown
