"""The dead-letter path on a real Kafka: any record gets its letter, and a topic that takes none holds up nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from support.data.event_columns import event
from support.servers.brokers import kafka_parts
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.letter_topics import letters_in, make_set_topics, positions

pytestmark = pytest.mark.broker

GOOD = json.dumps(event("ada", "a", event_id="good")).encode()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A Kafka with access control lists and a limit of 20 MB a record."""
    kafka_parts()
    broker = RealKafka(
        tmp_path_factory.mktemp("guarded"),
        authorizer_class_name="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        allow_everyone_if_no_acl_found="true",
        message_max_bytes="20000000",
    )
    broker.start()
    yield broker
    broker.stop()


def arguments(broker: BrokerConfig, prefix: str, store: object) -> list[str]:
    return ["--broker", broker.url, "--store", str(store), "--prefix", prefix, "--group", prefix]


def produce(
    broker: BrokerConfig,
    topic: str,
    *records: tuple[bytes | None, bytes | None],
    headers: object = (),
    partition: int = 0,
) -> None:
    producer = KafkaProducer(**broker.kafka_python(), acks="all", max_request_size=30_000_000)
    for key, value in records:
        producer.send(topic, key=key, value=value, headers=list(headers), partition=partition).get(20)  # type: ignore[call-overload]
    producer.close()


def test_any_record_gets_a_letter_that_its_topic_takes(
    guarded: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Huge values, keys and headers, and more small ones than a batch takes, become letters cut to the topic's limit."""
    broker, clicks = guarded.config, topic_prefix + "clicks"
    make_set_topics(
        broker,
        topic_prefix,
        clicks={"max.message.bytes": "20000000"},
        dead_letters={"max.message.bytes": "3000"},
    )
    produce(broker, clicks, (b"k", b"{" + b"x" * 5_000_000), (b"k" * 3_000_000, b"{nope"))
    produce(broker, clicks, (b"k", b"{nope"), headers=[(f"h{n}", b"x" * 100) for n in range(20_000)])
    produce(broker, clicks, (b"k", GOOD), *[(b"k", b"{nope %d" % n) for n in range(60)], (None, b"{nope"))
    done = driftline(
        "run",
        *arguments(broker, topic_prefix, tmp_path / "store"),
        "--drain",
        "--json",
        "--metrics-port",
        "0",
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["applied"], summary["rejected"]) == (1, 64)
    letters = letters_in(broker, topic_prefix + "dead-letters", 64)
    assert positions(letters) == sorted((0, offset) for offset in range(65) if offset != 3)
    by_offset = {letter.source_offset: letter for letter in letters}
    assert [by_offset[offset].cuts for offset in (0, 1, 2)] == [
        ("truncated",),
        ("truncated-key",),
        ("truncated-headers",),
    ]
    assert by_offset[1].value == b"{nope", "a long key costs the value nothing"
    assert by_offset[2].headers[0] == ("h0", b"x" * 100)
    assert all(not by_offset[offset].cuts for offset in range(4, 65))


def deny_letters(broker: BrokerConfig, topic: str) -> None:
    admin = KafkaAdminClient(**broker.kafka_python())
    admin.create_acls(
        [
            ACL("User:ANONYMOUS", "*", operation, permission, ResourcePattern(ResourceType.TOPIC, topic))
            for operation, permission in (
                (ACLOperation.WRITE, ACLPermissionType.DENY),
                (ACLOperation.DESCRIBE, ACLPermissionType.ALLOW),
            )
        ]
    )
    admin.close()


def test_letters_that_are_forbidden_end_the_daemon_or_are_dropped_as_set(
    guarded: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Without the right to write letters the daemon ends and says so, applying nothing twice when it may again; with
    drop-and-count it continues, counts the letter and says so on /ready."""
    broker, clicks = guarded.config, topic_prefix + "clicks"
    make_set_topics(broker, topic_prefix)
    deny_letters(broker, topic_prefix + "dead-letters")
    produce(broker, clicks, (b"k", b"{nope"), (b"k", GOOD))
    where = arguments(broker, topic_prefix, tmp_path / "store")
    done = driftline("run", *where, "--drain", "--metrics-port", "0")
    assert done.returncode == 1
    assert f"topic {topic_prefix}dead-letters: TopicAuthorizationFailedError" in done.stderr
    assert "daemon.on_dead_letter_failure" in done.stderr
    with DaemonProcess(tmp_path, *where, DRIFTLINE_DAEMON__ON_DEAD_LETTER_FAILURE="drop-and-count") as daemon:
        daemon.until_ready()
        daemon.until_events(2)
        assert daemon.metric("driftline_dead_letters_dropped_total", reason="not_json") == 1
        assert daemon.metric("driftline_events_total", outcome="applied") == 1
        status, body = daemon.get("/ready")
        assert status == 200
        assert "TopicAuthorizationFailedError" in json.loads(body)["warnings"][0]
        assert daemon.stop() == 0, daemon.log


def test_a_dead_letter_topic_that_was_deleted_ends_the_daemon(
    guarded: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Within half a minute, with an error that names the topic, and not ready until then."""
    broker = guarded.config
    make_set_topics(broker, topic_prefix)
    with DaemonProcess(tmp_path, *arguments(broker, topic_prefix, tmp_path / "store")) as daemon:
        daemon.until_ready()
        admin = KafkaAdminClient(**broker.kafka_python())
        admin.delete_topics([topic_prefix + "dead-letters"])
        admin.close()
        produce(broker, topic_prefix + "clicks", (b"k", b"{nope"))
        began = time.monotonic()
        daemon.until(lambda: daemon.get("/ready")[0] == 503, 20, "not ready")
        assert "dead letters" in daemon.get("/ready")[1]
        assert daemon.wait(40) == 1
        assert time.monotonic() - began < 30
        assert f"topic {topic_prefix}dead-letters: it does not exist" in daemon.log
