"""A stream of which nearly everything is rejected ends the daemon instead of filling the dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from support.data.streamed_logs import make_topics, rows, send
from support.servers.daemon_process import driftline

pytestmark = pytest.mark.broker


def test_a_producer_gone_wrong_ends_the_daemon_with_the_reasons(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """More than max_reject_share of the latest 1,000: exit 1, reasons, counts; with the share raised they are letters."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    send(broker, topic_prefix, rows(300))
    producer = KafkaProducer(**broker.kafka_python(), acks="all", linger_ms=5)
    for n in range(2000):
        producer.send(topic_prefix + "clicks", key=b"k", value=b'{"user": "u%d"}' % n)
    producer.flush(20)
    producer.close()
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "s"), "--prefix", topic_prefix]
    arguments += ["--group", topic_prefix, "--drain", "--metrics-port", "0"]
    done = driftline("run", *arguments)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "more than daemon.max_reject_share (0.5)" in told
    assert "x missing_field: timestamp is missing or null" in told
    done = driftline("run", *arguments, DRIFTLINE_DAEMON__MAX_REJECT_SHARE="1")
    assert done.returncode == 0, done.stderr
    assert "300 applied" in done.stdout and "2000 rejected" in done.stdout
