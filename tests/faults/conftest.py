"""The brokers of the fault tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from support.brokers import RealKafka, kafka_parts

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
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A real Kafka that a test may stop; skips without one."""
    kafka_parts()
    broker = RealKafka(tmp_path_factory.mktemp("own-kafka"))
    broker.start()
    yield broker
    broker.stop()
