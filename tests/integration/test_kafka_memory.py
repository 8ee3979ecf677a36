"""What a daemon really holds, measured: keys, values and headers count, however small they were in the topic."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks.servers.real_kafka import RealKafka
from support.data.event_columns import event
from support.data.record_sets import Row
from support.data.streamed_logs import make_topics
from support.qdrant_process import QdrantProcess
from support.servers.daemon_process import DaemonProcess
from support.servers.kafka_producer import send_batch

pytestmark = [pytest.mark.broker, pytest.mark.long, pytest.mark.server, pytest.mark.timeout(900)]

SLACK_MB = 220
"""Beside `in_flight_bytes`: lists that wait before it (13 of a sixteenth of it at most), fetches that are still packed, a
piece that is being unpacked, and what the interpreter does not give back."""


def resident_mb(daemon: DaemonProcess) -> int:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmRSS"))


def most_resident_mb(daemon: DaemonProcess, seconds: float) -> int:
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, resident_mb(daemon))
        time.sleep(0.1)
    return most


def test_large_keys_and_batches_that_unpack_to_much_stay_within_the_bound(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """While the store is away 600 MB of keys, as much in values, and as many headers wait in Kafka, not in memory; once it is
    back every event is applied."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    good = json.dumps(event("ada", "grapes")).encode()
    padded = json.dumps({**event("ada", "pears", at=1.0), "context": " " * 300_000}).encode()
    with QdrantProcess(tmp_path / "qdrant") as server:
        run = [
            "--broker",
            kafka.url,
            "--store",
            server.url,
            "--prefix",
            topic_prefix,
            "--group",
            topic_prefix,
        ]
        with DaemonProcess(tmp_path, *run) as daemon:
            daemon.until(lambda: daemon.listens, 120, "it listens")
            daemon.until_ready(150)
            before = resident_mb(daemon)
            server.kill()
            keys: list[Row] = [(b"k" * 300_000, good, [])] * 500
            values: list[Row] = [(b"ada", padded, [])] * 500
            headers: list[Row] = [(b"ada", good, [("h", b"")] * 20_000)] * 50
            for _ in range(4):
                send_batch(kafka.config, topic_prefix + "clicks", keys, "zstd")
                send_batch(kafka.config, topic_prefix + "browses", values, "gzip")
                send_batch(kafka.config, topic_prefix + "purchases", headers, "lz4")
            grown = most_resident_mb(daemon, 20) - before
            assert daemon.metric("driftline_in_flight_bytes") > 0, "nothing was taken: the test shows nothing"
            assert grown < 64 + SLACK_MB, f"resident memory grew by {grown} MB"
            server.start()
            daemon.until(
                lambda: daemon.metric("driftline_events_total") == 4 * 1050, 300, "every event is through"
            )
            assert most_resident_mb(daemon, 1) - before < 64 + SLACK_MB
            assert daemon.stop(60) == 0
