"""How many events had which outcome since the worker began, for its summary and the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from streams.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    events: int
    applied: int
    duplicates: int
    redelivered: int
    rejected: int
    parked: int
    """of users in quarantine"""
    ignored: int
    """about no event, or of an action that the settings ignore"""
    forgotten: int
    """of users who were forgotten"""
    seconds: float


class OutcomeCounts:
    """Events by outcome, of `streams.ingest.outcome.OUTCOMES`, "rejected", "parked" or "ignored". For one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: Counter[str] = Counter()

    def add(self, topic: str, outcome: str, count: int) -> None:
        """So many more events of a topic."""
        if count:
            self._counts[outcome] += count
            self._metrics.events.labels(self._metrics.topics.label(topic), outcome).inc(count)

    def __getitem__(self, outcome: str) -> int:
        """Events of all topics."""
        return self._counts[outcome]

    @property
    def total(self) -> int:
        """Events of all outcomes."""
        return self._counts.total()

    def summary(self, seconds: float) -> Summary:
        """What was processed so far, in so many seconds."""
        return Summary(
            events=self.total,
            applied=self["applied"],
            duplicates=self["duplicate"],
            redelivered=self["redelivered"],
            rejected=self["rejected"],
            parked=self["parked"],
            ignored=self["ignored"],
            forgotten=self["forgotten"],
            seconds=seconds,
        )
