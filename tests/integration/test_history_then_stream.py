"""An archive of the topics replayed, and the topics followed: every event counts once, whichever comes first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from support.data.log_files import write
from support.data.replayed import Row, busy_rows, counts_expected, counts_in
from support.data.streamed_logs import TOPICS, make_topics, send
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import DaemonProcess, driftline

pytestmark = pytest.mark.broker


def archived(broker: BrokerConfig, prefix: str) -> list[Row]:
    """What the event topics hold, as an archive has it: one partition after the other, with topic, partition and offset."""
    consumer = KafkaConsumer(**broker.kafka_python(), consumer_timeout_ms=2000, enable_auto_commit=False)
    found = []
    for action, name in TOPICS.items():
        topic = prefix + name
        for number in sorted(consumer.partitions_for_topic(topic) or ()):
            partition = TopicPartition(topic, number)
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            end = consumer.end_offsets([partition])[partition]
            while consumer.position(partition) < end:
                for records in consumer.poll(1000).values():
                    for record in records:
                        row = {**json.loads(record.value), "action": action, "topic": topic}
                        found.append({**row, "partition": number, "offset": record.offset})
    consumer.close()
    return found


class Shop:
    """Topics, a store, and the commands on both."""

    def __init__(self, broker: BrokerConfig, prefix: str, store: str) -> None:
        self.broker, self.prefix, self.store = broker, prefix, store
        self.arguments = ["--broker", broker.url, "--store", store, "--prefix", prefix, "--group", prefix]
        make_topics(broker, prefix)

    def send(self, start: int, end: int) -> None:
        """Rows of the endless log to the topics."""
        send(self.broker, self.prefix, busy_rows(start, end))

    def replay(self, path: Path, rows: Sequence[Row], *options: str) -> dict[str, Any]:
        """The summary of a replay of these rows."""
        done = driftline("replay", str(write(path, rows)), "--store", self.store, "--json", *options)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def drain(self, *options: str) -> dict[str, Any]:
        """The summary of a daemon that processed what was there."""
        done = driftline("run", *self.arguments, "--drain", "--json", "--metrics-port", "0", *options)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def shop(broker: BrokerConfig, topic_prefix: str, tmp_path: Path) -> Shop:
    return Shop(broker, topic_prefix, str(tmp_path / "store"))


@pytest.mark.parametrize("order", ["as in the topics", "by user"])
def test_a_daemon_goes_on_where_a_replayed_archive_ends(shop: Shop, tmp_path: Path, order: str) -> None:
    """With --broker the store knows where the log ends: a fresh `run` reads what came since, and nothing else."""
    shop.send(0, 600)
    archive = archived(shop.broker, shop.prefix)
    if order == "by user":
        archive.sort(key=lambda row: (row["user_id"], -row["timestamp"]))
    shop.send(600, 800)
    summary = shop.replay(tmp_path / "archive.parquet", archive, "--broker", shop.broker.url)
    assert summary["applied"] == 600
    assert shop.drain()["events"] == 200
    assert counts_in(shop.store) == counts_expected(busy_rows(0, 800))
    again = shop.replay(tmp_path / "again.jsonl", archive, "--broker", shop.broker.url)
    assert again["applied"] == 0
    everything = shop.replay(
        tmp_path / "all.csv", archived(shop.broker, shop.prefix), "--broker", shop.broker.url
    )
    assert everything["applied"] == 0, "what the daemon has applied is known, too"


def test_a_daemon_goes_on_from_a_manifest(shop: Shop, tmp_path: Path) -> None:
    """The broker need not be there when the log is replayed."""
    shop.send(0, 300)
    archive = archived(shop.broker, shop.prefix)
    manifest = str(tmp_path / "manifest.json")
    shop.replay(tmp_path / "archive.csv", archive, "--manifest", manifest)
    shop.send(300, 400)
    assert shop.drain("--from-manifest", manifest)["events"] == 100
    shop.send(400, 410)
    assert shop.drain("--from-manifest", manifest)["events"] == 10, "from then on the store knows better"
    assert counts_in(shop.store) == counts_expected(busy_rows(0, 410))


def test_an_archive_of_what_was_before_the_daemon_is_applied(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """A daemon that began late, and an archive of all that came before and of some that it has read. On a real Kafka: the
    embedded broker may tell an end that is too low."""
    shop = Shop(kafka.config, topic_prefix, str(tmp_path / "store"))
    shop.send(0, 300)
    assert shop.drain("--from", "latest")["events"] == 0
    shop.send(300, 400)
    assert shop.drain()["events"] == 100
    archive = archived(shop.broker, shop.prefix)
    summary = shop.replay(tmp_path / "archive.jsonl", archive, "--broker", shop.broker.url)
    assert (summary["applied"], summary["duplicates"]) == (300, 100)
    shop.send(400, 410)
    assert shop.drain()["events"] == 10
    assert counts_in(shop.store) == counts_expected(busy_rows(0, 410))


def test_an_archive_that_leaves_a_gap_is_refused(shop: Shop, tmp_path: Path) -> None:
    """Records between what the daemon has read and the archive's first would never be read: that is said, not done."""
    shop.send(0, 90)
    shop.drain()
    shop.send(90, 300)
    archive = archived(shop.broker, shop.prefix)
    late = [row for row in archive if row["offset"] >= 60]
    path = write(tmp_path / "late.jsonl", late)
    done = driftline("replay", str(path), "--store", shop.store, "--broker", shop.broker.url)
    assert done.returncode == 1
    assert "would never be read" in done.stderr
    assert shop.drain()["events"] == 210
    assert counts_in(shop.store) == counts_expected(busy_rows(0, 300))


@pytest.mark.server
def test_a_replay_beside_a_daemon_counts_what_both_read_once(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """Both read the same records at the same time into one server store; each recognises the other's."""
    with QdrantServer(tmp_path / "q") as server:
        shop = Shop(embedded_broker.config, topic_prefix, server.url)
        shop.send(0, 1500)
        archive = archived(shop.broker, shop.prefix)
        with DaemonProcess(tmp_path, *shop.arguments) as daemon:
            daemon.until_ready()
            shop.replay(tmp_path / "archive.parquet", archive, "--broker", shop.broker.url)
            shop.send(1500, 1600)
            daemon.stop()
        shop.drain()
        assert counts_in(server.url) == counts_expected(busy_rows(0, 1600))
