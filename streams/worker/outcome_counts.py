"""How many events had which outcome since the worker began, for its summary and the metrics."""

from __future__ import annotations

from collections import Counter

from streams.metrics import Metrics


class OutcomeCounts:
    """Events by outcome: "applied", "duplicate", "redelivered", "rejected", "parked". For the event loop's thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: Counter[str] = Counter()

    def add(self, topic: str, outcome: str, count: int) -> None:
        """So many more events of a topic."""
        if count:
            self._counts[outcome] += count
            self._metrics.events.labels(topic, outcome).inc(count)

    def __getitem__(self, outcome: str) -> int:
        """Events of all topics."""
        return self._counts[outcome]

    @property
    def total(self) -> int:
        """Events of all outcomes."""
        return self._counts.total()
