"""The brokers of the fault tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from benchmarks.servers.real_kafka import RealKafka
from support.servers.brokers import kafka_parts

# The load's own client tells, hundreds of times, that the broker is away: we know.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@pytest.fixture
def fault_broker(request: pytest.FixtureRequest):
    """The session's real Kafka where there is one, else its embedded broker."""
    try:
        kafka_parts()
    except pytest.skip.Exception:
        return request.getfixturevalue("embedded_broker")
    return request.getfixturevalue("kafka")


@pytest.fixture
def restarted_kafka(kafka: RealKafka) -> Iterator[RealKafka]:
    """The session's real Kafka, to be stopped and started; it runs again afterwards. Skips without one."""
    yield kafka
    if kafka.pid is None:
        kafka.start()
