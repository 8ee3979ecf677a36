"""The broker that a benchmark reads from: one that is given, a real Kafka where one is found, else the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.real_kafka import KafkaMissing, RealKafka, kafka_parts, kafka_version
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EmbeddedBroker


@contextmanager
def running_broker(url: str | None, folder: Path) -> Iterator[tuple[BrokerConfig, str]]:
    """A broker and what it is, in words for the result; its log lies in `folder` and it ends with the context."""
    if url is not None:
        yield BrokerConfig(url=url), "given"
        return
    try:
        version = kafka_version(kafka_parts()[1])
    except KafkaMissing as missing:
        with EmbeddedBroker(log=folder / "broker.log") as embedded:
            yield embedded.config, f"embedded: {missing}"
        return
    kafka = RealKafka(folder / "kafka")
    kafka.start()
    try:
        yield kafka.config, f"Apache Kafka {version}"
    finally:
        kafka.stop()
