"""Broker or store away, at the start or later: the daemon waits, says why, and loses nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EmbeddedBroker, free_port
from streams.broker.publisher import Publisher
from support.data.streamed_logs import TOPICS, Row, assert_equal_stores, make_topics, replayed, rows, send
from support.qdrant_server import QdrantServer
from support.servers.brokers import kafka_parts
from support.servers.daemon_process import DaemonProcess, driftline

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A real Kafka that these tests may stop."""
    kafka_parts()
    broker = RealKafka(tmp_path_factory.mktemp("own-kafka"))
    broker.start()
    yield broker
    broker.stop()


def reason(daemon: DaemonProcess) -> str:
    """What /ready says is in the way; "" when ready."""
    status, body = daemon.get("/ready")
    assert status in (200, 503)
    return "" if status == 200 else str(json.loads(body)["reason"])


def test_a_broker_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    """Started before its broker, the daemon says so on /ready, and continues when the broker is there and has topics."""
    port = free_port()
    arguments = ["--broker", f"127.0.0.1:{port}", "--store", str(tmp_path / "s")]
    with DaemonProcess(tmp_path, *arguments) as daemon:
        daemon.until(lambda: "broker unavailable" in reason(daemon), 20, "it waits for the broker")
        assert daemon.get("/live")[0] == 200
        with EmbeddedBroker(port) as broker:
            daemon.until(lambda: "no such topic" in reason(daemon), 20, "it waits for topics")
            make_topics(broker.config, "")
            daemon.until_ready()
            send(broker.config, "", rows(30))
            daemon.until_events(30)
            assert daemon.stop() == 0
            assert daemon.summary["applied"] == 30


def test_sigterm_while_waiting_ends_at_once(tmp_path: Path) -> None:
    """Nothing was taken, so nothing is drained: the daemon just ends."""
    arguments = ["--broker", f"127.0.0.1:{free_port()}", "--store", str(tmp_path / "s")]
    with DaemonProcess(tmp_path, *arguments) as daemon:
        daemon.until(lambda: "broker unavailable" in reason(daemon), 20, "it waits for the broker")
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 8


def test_sigterm_while_the_broker_is_away_ends_within_the_deadline(
    own_kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """A stop that can't commit ends all the same; the next run continues behind what was applied, by the store's word."""
    log = rows(1500, users=100)
    make_topics(own_kafka.config, topic_prefix)
    send(own_kafka.config, topic_prefix, log)
    store = tmp_path / "live"
    arguments = ["--broker", own_kafka.url, "--store", str(store), "--prefix", topic_prefix]
    arguments += ["--group", topic_prefix]
    limits = {"DRIFTLINE_DAEMON__SHUTDOWN_S": "4", "DRIFTLINE_DAEMON__COMMIT_INTERVAL_S": "600"}
    with DaemonProcess(tmp_path, *arguments, **limits, DRIFTLINE_DAEMON__BATCH_EVENTS="100") as daemon:
        daemon.until_events(300)
        own_kafka.stop()
        try:
            began = time.monotonic()
            daemon.stop()
            assert time.monotonic() - began < 6
        finally:
            own_kafka.start()
    done = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] <= len(log) - 300
    assert_equal_stores(store, replayed(tmp_path, log))


def test_a_store_that_is_away_is_waited_for(embedded_broker: Any, topic_prefix: str, tmp_path: Path) -> None:
    """Not there at the start, then gone for seconds under load: /ready has the reason, nothing is lost."""
    log = rows(3000, users=100)
    make_topics(embedded_broker.config, topic_prefix)
    send(embedded_broker.config, topic_prefix, log[:1500])
    server = QdrantServer(tmp_path / "q")
    server.start()
    server.stop()  # the port is known now, and nothing listens there
    arguments = ["--broker", embedded_broker.url, "--store", server.url, "--prefix", topic_prefix]
    arguments += ["--group", topic_prefix]
    with DaemonProcess(tmp_path, *arguments, DRIFTLINE_DAEMON__BATCH_EVENTS="100") as daemon:
        daemon.until(lambda: "store unavailable" in reason(daemon), 20, "it waits for the store")
        server.start()
        daemon.until_events(300)
        server.stop()
        send(embedded_broker.config, topic_prefix, log[1500:])
        daemon.until(lambda: "store unavailable" in reason(daemon), 20, "it says that the store is away")
        time.sleep(3)
        server.start()
        daemon.until_events(3000)
        assert daemon.metric("driftline_store_retries_total") > 0
        daemon.until(lambda: reason(daemon) == "", 10, "it is ready again")
        assert daemon.stop() == 0, daemon.log
    assert_equal_stores(server.url, replayed(tmp_path, log))
    server.stop()


async def published(broker: BrokerConfig, prefix: str, log: list[Row]) -> None:
    """As `send`, which would take a minute for so many bytes."""
    async with Publisher(broker) as publisher:
        for action, topic in TOPICS.items():
            records = [
                (row["user_id"].encode(), json.dumps(row).encode()) for row in log if row["action"] == action
            ]
            await publisher.publish(prefix + topic, records)


def resident_mib(daemon: DaemonProcess) -> float:
    """Memory that is the process's own, without what it maps of files."""
    lines = Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) / 1024


def test_memory_is_bounded_while_the_store_is_away(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """A backlog many times larger than the bound waits in Kafka, not in the worker: 64 MB there, about 15 here."""
    make_topics(embedded_broker.config, topic_prefix)
    large = [{**row, "note": "x" * 16_000} for row in rows(4000, users=500)]
    bounds = {"IN_FLIGHT_BYTES": str(4 << 20), "FETCH_BYTES": str(1 << 17), "BATCH_EVENTS": "50"}
    settings = {f"DRIFTLINE_DAEMON__{name}": value for name, value in bounds.items()}
    with QdrantServer(tmp_path / "q") as server:
        arguments = ["--broker", embedded_broker.url, "--store", server.url, "--prefix", topic_prefix]
        arguments += ["--group", topic_prefix]
        with DaemonProcess(tmp_path, *arguments, **settings) as daemon:
            daemon.until_ready()
            asyncio.run(published(embedded_broker.config, topic_prefix, large[:300]))
            daemon.until_events(300)
            before = resident_mib(daemon)
            server.stop()
            asyncio.run(published(embedded_broker.config, topic_prefix, large[300:]))
            daemon.until(lambda: "store unavailable" in reason(daemon), 20, "it says that the store is away")
            time.sleep(3)
            assert 2 << 20 < daemon.metric("driftline_in_flight_bytes") <= 4 << 20
            # In flight, read ahead by the client (12 partitions), and waiting before the lanes (4 topics, 3 batches each).
            bound = (4 << 20) + (1 << 17) * 12 + 50 * 16_100 * 4 * 3
            assert bound == pytest.approx(15 << 20, rel=0.1)
            assert resident_mib(daemon) - before < 2 * (bound >> 20), (
                "the bytes of the bound, and what Python adds"
            )
            server.start()
            daemon.until_events(4000, wait_s=120)
            assert daemon.stop() == 0, daemon.log
    assert daemon.summary["applied"] == 4000


def test_the_stop_deadline_holds_while_the_store_is_away(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """SIGTERM with writes that can't be done ends within daemon.shutdown_s, with 1; the next run does them."""
    log = rows(600)
    make_topics(embedded_broker.config, topic_prefix)
    with QdrantServer(tmp_path / "q") as server:
        arguments = ["--broker", embedded_broker.url, "--store", server.url, "--prefix", topic_prefix]
        arguments += ["--group", topic_prefix]
        with DaemonProcess(tmp_path, *arguments, DRIFTLINE_DAEMON__SHUTDOWN_S="3") as daemon:
            daemon.until_ready()
            server.stop()
            send(embedded_broker.config, topic_prefix, log)
            daemon.until(lambda: "store unavailable" in reason(daemon), 20, "it says that the store is away")
            began = time.monotonic()
            assert daemon.stop() == 1
            assert 2.5 < time.monotonic() - began < 5
            assert "daemon.shutdown_s" in daemon.log
        server.start()
        done = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["applied"] == 600
        assert_equal_stores(server.url, replayed(tmp_path, log))


def test_the_watchdog_ends_a_daemon_that_makes_no_progress(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """A store that takes requests and never answers: lag and no progress for daemon.watchdog_s end it with an error."""
    make_topics(embedded_broker.config, topic_prefix)
    with QdrantServer(tmp_path / "q") as server:
        arguments = ["--broker", embedded_broker.url, "--store", server.url, "--prefix", topic_prefix]
        arguments += ["--group", topic_prefix]
        limits = {"DRIFTLINE_DAEMON__WATCHDOG_S": "3", "DRIFTLINE_DAEMON__SHUTDOWN_S": "1"}
        with DaemonProcess(tmp_path, *arguments, DRIFTLINE_STORE__TIMEOUT_S="120", **limits) as daemon:
            daemon.until_ready()
            server.delay_s = 60.0
            send(embedded_broker.config, topic_prefix, rows(30))
            daemon.until(lambda: daemon.metric("driftline_consumer_lag_records") == 30, 3, "all is lag")
            assert daemon.metric("driftline_consumer_lag_seconds") > 0
            assert daemon.wait(20) == 1
            assert "no progress for 3 s (daemon.watchdog_s)" in daemon.log and "-clicks/0 by " in daemon.log
