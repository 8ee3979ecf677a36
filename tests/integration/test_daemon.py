"""The real daemon on a real broker: what comes out equals a replay, whatever happens on the way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.broker.config import BrokerConfig
from streams.broker.embedded import free_port
from streams.broker.topics import ensure_topics
from support.data.event_columns import event
from support.data.poison import POISON
from support.data.streamed_logs import assert_equal_stores, make_topics, replayed, rows, send
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.topic_reader import read_topic

pytestmark = pytest.mark.broker


def test_drained_states_equal_a_replay(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`run --drain` processes what is there, commits, stops; the states are those of a replay of the same log."""
    # Texts need a model: one of the two brokers is enough.
    log = rows(2000, texts=request.node.callspec.params["broker"] == "embedded")
    make_topics(broker, topic_prefix)
    send(broker, topic_prefix, log)
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "live"), "--prefix", topic_prefix]
    arguments += ["--group", topic_prefix, "--drain", "--json", "--metrics-port", "0"]
    done = driftline("run", *arguments)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["events"], summary["applied"], summary["rejected"]) == (2000, 2000, 0)
    assert assert_equal_stores(tmp_path / "live", replayed(tmp_path, log)) == len({r["user_id"] for r in log})
    again = driftline("run", *arguments)
    assert json.loads(again.stdout)["events"] == 0, "a second drain reads again what was committed"
    assert not Path(f"{topic_prefix}-data").exists(), "Faust leaves a folder where the daemon was started"


def test_killed_and_stopped_daemons_lose_and_double_nothing(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """After SIGKILL, then SIGTERM, under load, a third daemon ends with the states of a replay."""
    broker = embedded_broker.config  # tests/faults does the same to a real Kafka, more often
    log = rows(6000, users=300)
    make_topics(broker, topic_prefix)
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "live"), "--prefix", topic_prefix]
    arguments += ["--group", topic_prefix]
    small = {"DRIFTLINE_DAEMON__BATCH_EVENTS": "50"}
    with DaemonProcess(tmp_path, *arguments, **small) as daemon:
        daemon.until_ready()
        send(broker, topic_prefix, log[:3000])
        daemon.until_events(500)
        daemon.kill()
    with DaemonProcess(tmp_path, *arguments, **small) as daemon:
        daemon.until_ready()
        send(broker, topic_prefix, log[3000:])
        daemon.until_events(500)
        begun = time.monotonic()
        assert daemon.stop() == 0, daemon.log
        assert time.monotonic() - begun < 20
    with DaemonProcess(tmp_path, *arguments, "--drain") as daemon:
        assert daemon.wait() == 0, daemon.log
    assert_equal_stores(tmp_path / "live", replayed(tmp_path, log))


def test_poison_becomes_dead_letters_and_its_neighbours_are_applied(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """Each bad record is found in the dead-letter topic with its bytes, position and reason; the rest is applied."""
    make_topics(broker, topic_prefix, partitions=1)
    producer = KafkaProducer(**broker.kafka_python(), acks="all", max_request_size=2_000_000)
    good = {**event("ada", "a"), "unknown_extra": {"is": ["ignored"]}}
    for value, _ in POISON.values():
        producer.send(topic_prefix + "clicks", key=b"k", value=json.dumps(good).encode()).get(20)
        producer.send(topic_prefix + "clicks", key=b"k", value=value).get(20)
    producer.close()
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "live"), "--prefix", topic_prefix]
    done = driftline("run", *arguments, "--group", topic_prefix, "--drain", "--json", "--metrics-port", "0")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["rejected"] == len(POISON)
    assert (summary["applied"], summary["duplicates"]) == (1, len(POISON) - 1)
    letters = read_topic(broker, topic_prefix + "dead-letters", expected=len(POISON))
    assert len(letters) == len(POISON)
    for number, (letter, (value, reason)) in enumerate(zip(letters, POISON.values(), strict=True)):
        headers = dict(letter.headers)
        assert headers["reason"].decode() == reason
        assert headers["source-topic"].decode() == topic_prefix + "clicks"
        assert headers["source-partition"] == b"0"
        assert headers["source-offset"] == str(2 * number + 1).encode()
        assert letter.key == b"k"
        cut = headers.get("truncated")
        assert (letter.value or b"") == (value if cut is None else value[: len(letter.value or b"")])
    assert "u" * 100 not in done.stderr, "no user id in the logs"


def test_catalogue_changes_are_used_by_later_events(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """What arrives on `items` is encoded and searchable, and events after it use the content."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    store = tmp_path / "live"
    arguments = [
        "--broker",
        broker.url,
        "--store",
        str(store),
        "--prefix",
        topic_prefix,
        "--group",
        topic_prefix,
    ]
    producer = KafkaProducer(**broker.kafka_python(), acks="all")
    with DaemonProcess(tmp_path, *arguments) as daemon:
        daemon.until_ready()
        for item, title in (("g", "Red grapes"), ("h", "Green grapes"), ("o", "Motor oil")):
            row = {"item_id": item, "title": title, "description": "", "scenario": "shop"}
            producer.send(topic_prefix + "items", key=item.encode(), value=json.dumps(row).encode()).get(20)
        daemon.until(
            lambda: daemon.metric("driftline_items_total", outcome="encoded") == 3, 30, "items are encoded"
        )
        send(broker, topic_prefix, [{**event("ada", "g"), "action": "purchase"}])
        daemon.until_events(1)
        producer.send(topic_prefix + "items", key=b"o", value=None).get(20)
        daemon.until(
            lambda: daemon.metric("driftline_items_total", outcome="deleted") == 1, 30, "one is deleted"
        )
        assert daemon.stop() == 0
    producer.close()
    done = driftline("recommend", "ada", "--store", str(store), "--mode", "new", "--json")
    assert [item["item_id"] for item in json.loads(done.stdout)["items"]] == ["h"]


def test_missing_topics_are_refused_by_name(embedded_broker: Any, topic_prefix: str, tmp_path: Path) -> None:
    """`run` creates no topics; it says which are missing."""
    ensure_topics(embedded_broker.config, {topic_prefix + "clicks": 3})
    where = ["--broker", embedded_broker.url, "--store", str(tmp_path / "s"), "--prefix", topic_prefix]
    done = driftline("run", *where, "--metrics-port", "0")
    assert done.returncode == 1
    assert f"no such topic: {topic_prefix}browses, {topic_prefix}purchases" in done.stderr


def test_metrics_and_readiness_tell_what_happens(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """Outcomes, stages, freshness and lag are on /metrics; /live and /ready answer, on the loopback only."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "s"), "--prefix", topic_prefix]
    with DaemonProcess(tmp_path, *arguments, "--group", topic_prefix) as daemon:
        assert daemon.get("/live") == (200, '{"live":true}')
        daemon.until_ready()
        send(broker, topic_prefix, rows(600))
        daemon.until_events(600)
        assert (
            daemon.metric("driftline_events_total", topic=topic_prefix + "clicks", outcome="applied") == 200
        )
        assert daemon.metric("driftline_event_to_searchable_seconds_count") == 600
        assert daemon.metric("driftline_stage_seconds_count", stage="write") > 0
        daemon.until(lambda: daemon.metric("driftline_consumer_lag_records") == 0, 10, "the lag is gone")
        assert "127.0.0.1" in daemon.url("/")
        assert daemon.stop() == 0
        assert daemon.summary["applied"] == 600


def test_two_processes_on_one_embedded_store(tmp_path: Path) -> None:
    """The second is refused, told which process holds the folder and what to do."""
    store = str(tmp_path / "s")
    with DaemonProcess(tmp_path, "--broker", f"127.0.0.1:{free_port()}", "--store", store) as daemon:
        daemon.until(lambda: "broker unavailable" in daemon.get("/ready")[1], 30, "it has the store")
        done = driftline("recommend", "ada", "--store", store)
        assert done.returncode == 1
        assert str(daemon.process.pid) in done.stderr
