"""Brokers for tests: the embedded one, and a real Apache Kafka where one is installed.

Both are started once a session; tests tell their topics apart by `topic_prefix`. A test that stops or
restarts a broker starts one of its own: `RealKafka(folder)` or `EmbeddedBroker()`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers import real_kafka
from benchmarks.servers.real_kafka import KafkaMissing, RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EmbeddedBroker


def kafka_parts() -> tuple[str, Path]:
    """The java program and the folder of Kafka's jars; skips the test, with the reason, where one is missing."""
    try:
        return real_kafka.kafka_parts()
    except KafkaMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """One embedded broker for the session."""
    with EmbeddedBroker(log=tmp_path_factory.mktemp("tansu") / "broker.log") as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """One real Kafka for the session; skips without Kafka or Java."""
    kafka_parts()
    broker = RealKafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> BrokerConfig:
    """Each of the two session brokers in turn."""
    name = {"embedded": "embedded_broker", "kafka": "kafka"}[request.param]
    config: BrokerConfig = request.getfixturevalue(name).config
    return config


@pytest.fixture
def topic_prefix() -> str:
    """For topic names that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}-"
