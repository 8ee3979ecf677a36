"""Brokers that go away under load, in a Kafka of three nodes: leaders move, nothing is lost or counted twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from support.data.streamed_logs import TOPICS, assert_equal_stores, replayed, rows, send
from support.servers.brokers import kafka_parts
from support.servers.daemon_process import DaemonProcess

pytestmark = [pytest.mark.broker, pytest.mark.long, pytest.mark.timeout(900)]

REPLICATED = {
    "offsets_topic_replication_factor": "3",
    "min_insync_replicas": "1",
    "group_min_session_timeout_ms": "1000",
    "broker_session_timeout_ms": "3000",
    "controlled_shutdown_enable": "true",
}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[RealKafka]]:
    """Three nodes, the first of which is the controller too."""
    kafka_parts()
    first = RealKafka(tmp_path / "1", heap_mb=256, **REPLICATED)
    members = [RealKafka(tmp_path / str(n), member=(n, first), heap_mb=256, **REPLICATED) for n in (2, 3)]
    started = [first, *members]
    for node in started:
        node.start()
    yield started
    for node in reversed(started):
        node.kill()


def test_a_leader_that_is_killed_under_load_loses_and_doubles_nothing(
    nodes: list[RealKafka], topic_prefix: str, tmp_path: Path
) -> None:
    """SIGKILL of a node that leads a third of the partitions, and of another once the first is back: the daemon continues by
    itself with the new leaders, and its store ends as a replay of the same log."""
    broker = BrokerConfig(url=",".join(node.url for node in nodes))
    names = [topic_prefix + name for name in (*TOPICS.values(), "items", "dead-letters")]
    ensure_topics(broker, dict.fromkeys(names, 3), replication=3)
    log = rows(1800, users=90)
    run = ["--broker", broker.url, "--store", str(tmp_path / "live"), "--prefix", topic_prefix]
    with DaemonProcess(
        tmp_path, *run, "--group", topic_prefix, DRIFTLINE_DAEMON__BATCH_EVENTS="50"
    ) as daemon:
        daemon.until(lambda: daemon.listens, 120, "it listens")
        daemon.until_ready(150)
        for part, node in enumerate((nodes[1], nodes[2], None)):
            send(broker, topic_prefix, log[600 * part : 600 * part + 300])
            if node is not None:
                node.kill()
            send(broker, topic_prefix, log[600 * part + 300 : 600 * (part + 1)])
            daemon.until(
                lambda seen=600 * (part + 1): daemon.metric("driftline_events_total") >= seen,
                150,
                "it continues with the new leaders",
            )
            if node is not None:
                node.start()
                time.sleep(3)  # until its replicas are in sync: the next one takes their leaders away
        assert daemon.stop(60) == 0, daemon.log[-2000:]
        assert daemon.summary["rejected"] == 0
    assert_equal_stores(tmp_path / "live", replayed(tmp_path, log))
