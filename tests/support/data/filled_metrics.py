"""Metrics of a daemon that has done a little of everything, so that every series is there."""

from __future__ import annotations

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import STAGES, Metrics

TOPICS = ("clicks", "purchases", "browses")


def some_work(metrics: Metrics) -> None:
    """One round of work: each counter moves, each gauge and histogram has a value."""
    for topic in TOPICS:
        for outcome, count in (("applied", 20), ("duplicate", 2), ("redelivered", 1), ("rejected", 1)):
            metrics.events.labels(topic, outcome).inc(count)
        metrics.dead_letters.labels(topic, "not_json").inc()
        metrics.dead_letters_dropped.labels(topic, "not_json").inc()
        for partition in ("0", "1"):
            metrics.lag_records.labels(topic, partition).set(7)
            metrics.open_transactions.labels(topic, partition).set(1)
            metrics.lag_seconds.labels(topic, partition).set(0.5)
            metrics.processed_offset.labels(topic, partition).inc(10)
            metrics.lost_records.labels(topic, partition).inc(3)
    for outcome in ("encoded", "reused", "unchanged", "deleted", "rejected"):
        metrics.items.labels(outcome).inc()
    metrics.media.labels("image", "ok").inc()
    for outcome in ("applied", "known", "forgotten"):
        metrics.declarations.labels(outcome).inc()
    for cache in ("users", "items", "texts"):
        metrics.cache.labels(cache, "hit").inc(3)
        metrics.cache.labels(cache, "miss").inc()
    for stage in STAGES:
        metrics.stage.labels(stage).observe(0.004)
    for outcome in ("written", "failed"):
        metrics.counts_writes.labels(outcome).inc()
    metrics.unseen_items.inc()
    metrics.users_written.inc(12)
    metrics.scenario_shifts.inc(2)
    metrics.store_retries.inc()
    metrics.batch.observe(60)
    metrics.freshness.observe_all(np.array([0.02, 0.3, 0.7]))
    metrics.clock_behind.set(120)
    metrics.quarantined_users.set(1)
    metrics.ready.set(1)
    metrics.info.labels("0.1.0", "model").set(1)


def series(metrics: Metrics) -> dict[str, dict[str, set[str]]]:
    """Sample name -> label -> its values, as the exposition that Prometheus scrapes has them."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found
