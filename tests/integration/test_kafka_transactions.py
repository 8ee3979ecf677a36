"""Transactions and ranges that are gone, on a real Kafka: what is applied, what is lag, when a drain ends."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from support.data.event_columns import event
from support.data.record_sets import Row
from support.data.streamed_logs import TOPICS, make_topics
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.kafka_producer import send_batch, send_transactions

pytestmark = pytest.mark.broker


def events(topic: str, start: int, count: int) -> list[tuple[bytes, bytes]]:
    """Distinct events of one user."""
    return [
        (b"ada", json.dumps(event("ada", f"{topic}-{n}", at=float(n))).encode())
        for n in range(start, start + count)
    ]


def plain(rows: Sequence[tuple[bytes, bytes]]) -> list[Row]:
    return [(key, value, []) for key, value in rows]


def committed(broker: BrokerConfig, group: str) -> dict[str, int]:
    """The group's offset of each topic's only partition."""
    admin = KafkaAdminClient(**broker.kafka_python())
    try:
        found = admin.list_group_offsets({group: None})[group]
        return {tp.topic: there.offset for tp, there in found.items()}
    finally:
        admin.close()


def delete_before(broker: BrokerConfig, topic: str, offset: int) -> None:
    admin = KafkaAdminClient(**broker.kafka_python())
    admin.delete_records({TopicPartition(topic, 0): offset})
    admin.close()


def arguments(kafka: RealKafka, prefix: str, store: Path) -> list[str]:
    return ["--broker", kafka.url, "--store", str(store), "--prefix", prefix, "--group", prefix]


def test_only_what_is_committed_is_applied_and_nothing_else_is_lag(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Aborted records are not applied, a marker at the end and a transaction that hangs are no lag: a drain ends, the offsets
    are committed up to there, and a daemon that stays is not ended by its watchdog."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    clicks, browses, purchases = (topic_prefix + name for name in ("clicks", "browses", "purchases"))
    send_transactions(
        kafka.config,
        clicks,
        [(events("c", 0, 3), "commit"), (events("c", 3, 2), "abort"), (events("c", 5, 3), "commit")],
    )
    send_transactions(kafka.config, browses, [(events("b", 0, 2), "commit"), (events("b", 2, 2), "abort")])
    send_batch(kafka.config, purchases, plain(events("p", 0, 2)))
    send_transactions(kafka.config, purchases, [(events("p", 2, 2), "hang")])
    send_batch(kafka.config, purchases, plain(events("p", 4, 3)))
    quick = {"DRIFTLINE_DAEMON__WATCHDOG_S": "5"}
    run = arguments(kafka, topic_prefix, tmp_path / "s")
    done = driftline("run", *run, "--drain", "--json", "--metrics-port", "0", timeout=250, **quick)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] == 6 + 2 + 2
    offsets = committed(kafka.config, topic_prefix)
    assert {name: offsets[name] for name in (clicks, browses, purchases)} == {
        clicks: 11,
        browses: 6,
        purchases: 2,
    }
    with DaemonProcess(tmp_path, *run, **quick) as daemon:
        daemon.until(lambda: daemon.listens, 120, "it listens")
        daemon.until_ready(150)
        time.sleep(7)
        assert daemon.get("/ready")[0] == 200
        assert daemon.metric("driftline_consumer_lag_records") == 0
        assert daemon.metric("driftline_open_transaction_records", topic=purchases) == 5
        assert daemon.metric("driftline_open_transaction_records", topic=clicks) == 0
        assert daemon.stop() == 0
        assert daemon.summary["events"] == 0
    done = driftline(
        "run",
        *arguments(kafka, topic_prefix, tmp_path / "all")[:-1],
        topic_prefix + "all",
        *("--drain", "--json", "--metrics-port", "0"),
        timeout=250,
        DRIFTLINE_BROKER__ISOLATION="read_uncommitted",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] == 8 + 4 + 7


def test_what_compaction_and_deletion_took_is_no_lag(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """A log that begins late, one whose last records are all gone, and one with holes: what is there is applied, the drain
    ends, and the offsets are committed up to the end."""
    admin = KafkaAdminClient(**kafka.config.kafka_python())
    names = [topic_prefix + name for name in (*TOPICS.values(), "items", "dead-letters")]
    compacting = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    topic = {"num_partitions": 1, "replication_factor": 1}
    admin.create_topics(
        {name: {**topic, "configs": compacting if name.endswith("purchases") else {}} for name in names}
    )
    admin.wait_for_topics(names)
    admin.close()
    clicks, browses, purchases = (topic_prefix + name for name in ("clicks", "browses", "purchases"))
    send_batch(kafka.config, clicks, plain(events("c", 0, 20)))
    delete_before(kafka.config, clicks, 12)
    send_batch(kafka.config, browses, plain(events("b", 0, 9)))
    delete_before(kafka.config, browses, 9)
    for n in range(6):  # the same key each time: the last one of a segment remains
        send_batch(kafka.config, purchases, plain(events("p", 5 * n, 5)))
        time.sleep(0.3)
    time.sleep(4)
    run = arguments(kafka, topic_prefix, tmp_path / "s")
    done = driftline("run", *run, "--drain", "--json", "--metrics-port", "0", timeout=250)
    assert done.returncode == 0, done.stderr
    applied = json.loads(done.stdout)["applied"]
    assert 8 + 1 <= applied < 8 + 30, "nothing was compacted: the test shows nothing"
    offsets = committed(kafka.config, topic_prefix)
    assert (offsets[clicks], offsets[browses], offsets[purchases]) == (20, 9, 30)


def test_a_log_that_is_cut_under_a_running_daemon_is_gone_on_with_at_its_start(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Retention overtakes a daemon that stands still: it continues with what is left, and says so."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    clicks = topic_prefix + "clicks"
    with DaemonProcess(
        tmp_path, *arguments(kafka, topic_prefix, tmp_path / "s"), DRIFTLINE_DAEMON__SESSION_TIMEOUT_S="45"
    ) as daemon:
        daemon.until(lambda: daemon.listens, 120, "it listens")
        daemon.until_ready(150)
        send_batch(kafka.config, clicks, plain(events("c", 0, 5)))
        daemon.until_events(5)
        daemon.freeze()
        for n in range(10):
            send_batch(kafka.config, clicks, plain(events("c", 5 + n, 1)))
        delete_before(kafka.config, clicks, 12)
        daemon.thaw()
        daemon.until(
            lambda: daemon.metric("driftline_processed_offset", topic=clicks) == 15, 60, "it reached the end"
        )
        applied = daemon.metric("driftline_events_total", outcome="applied")
        assert 5 + 3 <= applied < 15, "nothing was lost: the test shows nothing"
        assert daemon.metric("driftline_lost_records_total") >= 1
        assert daemon.stop() == 0
