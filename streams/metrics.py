"""All metrics of Driftline: names, labels, buckets. Seconds and records are the units; labels are bounded sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from transfer.arrays import F64

STAGES = ("decode", "encode", "read", "update", "transfer", "write", "dead_letter")

MOST_TOPICS = 200
"""Topics with labels of their own: a pattern may match any number of them."""
OTHER_TOPICS = "(others)"

_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FRESHNESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000)


class ArrayHistogram(Collector):
    """A histogram that takes arrays: one observation a record, without one Python call a record."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._text = name, text
        self._bounds = np.array(buckets, np.float64)
        self._counts = np.zeros(len(buckets) + 1, np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe_all(self, values: F64) -> None:
        """Observe each of (N,) values."""
        places = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        with self._lock:
            self._counts += places
            self._sum += float(values.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus wants it: cumulative counts by upper bound."""
        with self._lock:
            cumulative, total = np.cumsum(self._counts).tolist(), self._sum
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        yield HistogramMetricFamily(
            self._name, self._text, buckets=list(zip(bounds, cumulative, strict=True)), sum_value=total
        )


class TopicLabels:
    """Label values for topics: the first `most` have their own names, the others one together. For any thread.

    >>> labels = TopicLabels(1)
    >>> labels.label("clicks"), labels.label("views"), labels.label("clicks")
    ('clicks', '(others)', 'clicks')
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._named: set[str] = set()

    def label(self, topic: str) -> str:
        """What stands for the topic in a metric."""
        if topic not in self._named:
            if len(self._named) >= self._most:
                return OTHER_TOPICS
            self._named.add(topic)
        return topic


class Metrics:
    """One set of metrics in a registry of its own, so that two daemons in a process don't collide."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.topics = TopicLabels(MOST_TOPICS)
        self.events = Counter(
            "driftline_events",
            "Events by topic and outcome: applied, duplicate (seen before), redelivered (below the user's "
            "watermark), ignored (about no event), rejected, parked (its user is in quarantine), forgotten (its user was)",
            ["topic", "outcome"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "driftline_dead_letters",
            "Records sent to the dead-letter topic, by source topic and reason",
            ["topic", "reason"],
            registry=registry,
        )
        self.dead_letters_dropped = Counter(
            "driftline_dead_letters_dropped",
            "Dead letters that their topic does not take and that were dropped (daemon.on_dead_letter_failure), "
            "by source topic and reason",
            ["topic", "reason"],
            registry=registry,
        )
        self.items = Counter(
            "driftline_items",
            "Catalogue items by outcome: encoded, reused (same content known), unchanged, deleted, rejected",
            ["outcome"],
            registry=registry,
        )
        self.media = Counter(
            "driftline_media",
            "Pictures and sounds of items that were written with a new content, by what became of them: ok, absent (the item "
            "names none), too_large, too_many_pixels, wrong_format, broken, not_found, refused",
            ["modality", "result"],
            registry=registry,
        )
        self.unseen_items = Counter(
            "driftline_unseen_items",
            "Items met in events before any catalogue described them; they get a deterministic vector",
            registry=registry,
        )
        self.users_written = Counter(
            "driftline_users_written", "User points written to the store", registry=registry
        )
        self.declarations = Counter(
            "driftline_declarations",
            "What users declared of themselves, by outcome: applied, known (nothing changed) or forgotten",
            ["outcome"],
            registry=registry,
        )
        self.scenario_shifts = Counter(
            "driftline_scenario_shifts", "Times that a user's leading scenario changed", registry=registry
        )
        self.cache = Counter(
            "driftline_cache_requests",
            "Look-ups in the in-memory caches (users, items, texts)",
            ["cache", "result"],
            registry=registry,
        )
        self.store_retries = Counter(
            "driftline_store_retries", "Work with the store done again after a failure", registry=registry
        )
        self.takeovers = Counter(
            "driftline_takeovers",
            "Users claimed in a server store: another process had written them last, or this one had forgotten them",
            registry=registry,
        )
        self.users_dropped = Counter(
            "driftline_users_dropped",
            "Users dropped since they had not acted for retention.days",
            registry=registry,
        )
        self.refused_writes = Counter(
            "driftline_refused_writes",
            "Users whose write was refused since another process had claimed them; they were claimed and prepared again",
            registry=registry,
        )
        self.users_on_several_partitions = Counter(
            "driftline_users_on_several_partitions",
            "Users whose events came by a second partition number while this process held them: a sign of producers "
            "whose keys are no user ids, or are placed by different hashes",
            registry=registry,
        )
        self.counts_writes = Counter(
            "driftline_table_writes",
            "Writes of the counts of items and transitions, by outcome: written, failed (goes with the next one)",
            ["outcome"],
            registry=registry,
        )
        self.stale_events = Counter(
            "driftline_stale_events",
            "Records fetched and then dropped since the partition was taken away; its holder reads them again",
            registry=registry,
        )
        self.in_flight_events = Gauge(
            "driftline_in_flight_events", "Records taken from Kafka and not yet finished", registry=registry
        )
        self.in_flight_bytes = Gauge(
            "driftline_in_flight_bytes", "Bytes of the records in flight", registry=registry
        )
        self.lanes = Gauge(
            "driftline_lanes",
            "Lanes of this worker: one for each partition number, one in all for an embedded store",
            registry=registry,
        )
        self.batch = Histogram(
            "driftline_batch_events",
            "Events in one flush to the store",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self.stage = Histogram(
            "driftline_stage_seconds",
            "Seconds a flush spends in each stage",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self.freshness = ArrayHistogram(
            "driftline_event_to_searchable_seconds",
            "Seconds from a record's Kafka timestamp until its user's vector was acknowledged by the store",
            _FRESHNESS_BUCKETS,
            registry,
        )
        self.lag_records = Gauge(
            "driftline_consumer_lag_records",
            "Offsets between what is processed and where the partition can be read to",
            ["topic", "partition"],
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "driftline_consumer_lag_seconds",
            "Age of the newest processed record (before any: of the first that waits) while there is lag, else 0",
            ["topic", "partition"],
            registry=registry,
        )
        self.quarantined_users = Gauge(
            "driftline_quarantined_users",
            "Users whose state can't be read; their events are parked until `driftline repair`",
            registry=registry,
        )
        self.clock_behind = Gauge(
            "driftline_clock_behind_seconds",
            "How far this machine's clock is behind the time that records carry; 0 within a minute",
            registry=registry,
        )
        self.lost_records = Counter(
            "driftline_lost_records",
            "Offsets that retention took before they were read, in a partition's log; driftline acknowledge-loss",
            ["topic", "partition"],
            registry=registry,
        )
        self.processed_offset = Gauge(
            "driftline_processed_offset",
            "Next offset to be processed",
            ["topic", "partition"],
            registry=registry,
        )
        self.open_transactions = Gauge(
            "driftline_open_transaction_records",
            "Offsets behind an open transaction, which can't be read before it ends; no part of the lag",
            ["topic", "partition"],
            registry=registry,
        )
        self.ready = Gauge("driftline_ready", "1 when /ready answers 200", registry=registry)
        self.info = Gauge(
            "driftline_info",
            "Constant 1; version and model fingerprints",
            ["version", "model"],
            registry=registry,
        )
        for stage in STAGES:
            self.stage.labels(stage)
        for outcome in ("written", "failed"):
            self.counts_writes.labels(outcome)  # a rate of failures needs a 0 to begin with
        for outcome in ("applied", "known", "forgotten"):
            self.declarations.labels(outcome)
        for modality in ("image", "audio"):
            self.media.labels(modality, "ok")

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


def partition_labels(metrics: Metrics, topic: str, partition: int) -> tuple[str, str]:
    """Values of the labels topic and partition; those of topics without a label of their own are one."""
    label = metrics.topics.label(topic)
    return label, "" if label == OTHER_TOPICS else str(partition)
