"""The metrics and their exposition."""

from __future__ import annotations

import numpy as np
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import ArrayHistogram, Metrics

BUCKETS = (0.1, 0.5, 1.0, 10.0)


def test_the_array_histogram_counts_as_prometheus_does() -> None:
    """One call with an array is the same as one observation for each of its values, bounds included."""
    values = np.concatenate([np.random.default_rng(1).exponential(2.0, 500), BUCKETS, [0.0, 99.0]])
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = ArrayHistogram("h", "help", BUCKETS, ours)
    fast.observe_all(values[:100])
    fast.observe_all(values[100:])
    slow = Histogram("h", "help", buckets=BUCKETS, registry=theirs)
    for value in values.tolist():
        slow.observe(value)
    for sample in ("h_count", "h_sum"):
        found, expected = ours.get_sample_value(sample), theirs.get_sample_value(sample)
        assert found is not None and expected is not None and abs(found - expected) < 1e-9 * expected
    for bound in ("0.1", "0.5", "1.0", "10.0", "+Inf"):
        assert ours.get_sample_value("h_bucket", {"le": bound}) == theirs.get_sample_value(
            "h_bucket", {"le": bound}
        )


def test_the_exposition_parses_and_every_name_is_ours() -> None:
    """A scraper understands it; names begin with driftline_ and have help texts."""
    metrics = Metrics()
    metrics.freshness.observe_all(np.array([0.2]))
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert len(families) > 10
    for family in families:
        assert family.name.startswith("driftline_") and family.documentation
    assert generate_latest(metrics.registry) == metrics.exposition()
