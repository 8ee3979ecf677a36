"""A real Kafka with ACLs: what may not be read is named, and the rest continues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from support.data.event_columns import event
from support.data.streamed_logs import TOPICS, make_topics
from support.servers.brokers import kafka_parts
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.kafka_producer import send_batch

pytestmark = [pytest.mark.broker, pytest.mark.long, pytest.mark.timeout(600)]
JAAS = (
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin-secret" '
    'user_admin="admin-secret" user_driftline="daemon-secret";'
)


def user(kafka: RealKafka, name: str, password: str) -> BrokerConfig:
    return BrokerConfig(
        url=kafka.url, security_protocol="SASL_PLAINTEXT", sasl_username=name, sasl_password=password
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A node that lets in two users, one of whom may do everything."""
    kafka_parts()
    node = RealKafka(tmp_path_factory.mktemp("guarded"), heap_mb=256)
    settings = {
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node._controller_port}",
        "advertised.listeners": f"SASL_PLAINTEXT://127.0.0.1:{node.port}",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": JAAS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:ANONYMOUS",
    }
    node._properties |= settings
    node.start()
    yield node
    node.stop()


def allow(broker: BrokerConfig, kind: ResourceType, name: str, *operations: ACLOperation) -> None:
    admin = KafkaAdminClient(**broker.kafka_python())
    admin.create_acls(
        [
            ACL("User:driftline", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))
            for operation in operations
        ]
    )
    admin.close()


def forbid_reading(broker: BrokerConfig, topic: str) -> None:
    admin = KafkaAdminClient(**broker.kafka_python())
    admin.delete_acls(
        [
            ACLFilter(
                "User:driftline",
                "*",
                ACLOperation.READ,
                ACLPermissionType.ALLOW,
                ResourcePattern(ResourceType.TOPIC, topic),
            )
        ]
    )
    admin.close()


def test_a_topic_that_may_not_be_read_is_named_and_the_others_go_on(
    guarded: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """/ready and doctor name the topic and the operation that is missing; the other topics are applied; a drain ends with the
    same words; with the permission given, what waited is applied."""
    admin = user(guarded, "admin", "admin-secret")
    make_topics(admin, topic_prefix, partitions=1)
    clicks = topic_prefix + "clicks"
    for topic in (*TOPICS.values(), "items", "dead-letters"):
        name = topic_prefix + topic
        operations = [ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS]
        if topic == "dead-letters":
            operations.append(ACLOperation.WRITE)
        elif topic != "clicks":
            operations.append(ACLOperation.READ)
        allow(admin, ResourceType.TOPIC, name, *operations)
    allow(admin, ResourceType.GROUP, topic_prefix, ACLOperation.READ, ACLOperation.DESCRIBE)
    allow(admin, ResourceType.CLUSTER, "kafka-cluster", ACLOperation.DESCRIBE)
    for topic in TOPICS.values():
        rows = [
            (b"ada", json.dumps(event("ada", f"{topic}-{n}", at=float(n))).encode(), []) for n in range(5)
        ]
        send_batch(admin, topic_prefix + topic, rows)
    secret = {
        "DRIFTLINE_BROKER__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "DRIFTLINE_BROKER__SASL_USERNAME": "driftline",
        "DRIFTLINE_BROKER__SASL_PASSWORD": "daemon-secret",
    }
    run = ["--broker", guarded.url, "--prefix", topic_prefix]
    missing = f"no permission to read topic {clicks}: grant this user the operation Read"
    shown = driftline("doctor", *run, "--store", str(tmp_path / "none"), "--json", timeout=250, **secret)
    assert missing in shown.stdout
    assert (
        f"read {topic_prefix}browses" in shown.stdout and "the newest record of 1 partitions" in shown.stdout
    )
    store = ["--store", str(tmp_path / "s"), "--group", topic_prefix]
    done = driftline("run", *run, *store, "--drain", "--metrics-port", "0", timeout=250, **secret)
    assert done.returncode == 1 and missing in done.stderr
    with DaemonProcess(tmp_path, *run, *store, **secret) as daemon:
        daemon.until(lambda: daemon.listens, 120, "it listens")
        daemon.until(lambda: missing in daemon.get("/ready")[1], 120, "/ready says what is missing")
        assert daemon.metric("driftline_events_total", topic=clicks) == 0
        allow(admin, ResourceType.TOPIC, clicks, ACLOperation.READ)
        daemon.until(
            lambda: daemon.metric("driftline_events_total", topic=clicks) == 5, 60, "clicks are read"
        )
        daemon.until(lambda: daemon.get("/ready")[0] == 200, 30, "it is ready")
        forbid_reading(admin, clicks)
        daemon.until(lambda: missing in daemon.get("/ready")[1], 60, "it is reported again")
        assert daemon.stop() == 0
