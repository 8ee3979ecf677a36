"""A store moves to a mirror of its topics in another cluster, whose offsets differ, and each event counts once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EMBEDDED_CLUSTER, EmbeddedBroker
from streams.broker.topics import cluster_id, ensure_topics
from support.data.event_columns import event
from support.data.record_sets import Row
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.kafka_producer import send_batch

pytestmark = pytest.mark.broker
TOPICS = {"browses": 1, "clicks": 2, "purchases": 1, "items": 1, "dead-letters": 1}


@pytest.fixture(params=["embedded", "kafka"])
def clusters(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[BrokerConfig, BrokerConfig]]:
    """The old one and the new one."""
    with ExitStack() as stack:
        old = stack.enter_context(EmbeddedBroker(log=tmp_path / "old.log")).config
        if request.param == "kafka":
            yield old, request.getfixturevalue("kafka").config
        else:
            yield old, stack.enter_context(EmbeddedBroker(log=tmp_path / "new.log")).config


def rows(start: int, end: int) -> list[Row]:
    """Events of one user without ids, in bursts of three that are equal: nothing but their place tells them apart."""
    return [
        (b"ada", json.dumps(event("ada", f"i{n // 3 % 40}", at=float(n // 3))).encode(), [])
        for n in range(start, end)
    ]


def command(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = driftline(*arguments, "--json", timeout=250.0)
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout) if code == 0 else {"error": done.stderr}
    return answer


def test_a_mirror_is_followed_from_where_the_store_stands(
    clusters: tuple[BrokerConfig, BrokerConfig], topic_prefix: str, tmp_path: Path
) -> None:
    """Offsets shifted, the mirror ahead or behind, producers at work: what the store has is not applied again, what follows is.
    Until the mirror has what the store has it is refused, and so is a run that was told nothing."""
    old, new = clusters
    p = topic_prefix
    for broker in clusters:
        ensure_topics(broker, {p + name: count for name, count in TOPICS.items()})
    store, place = str(tmp_path / "s"), ("--prefix", p, "--group", p)
    run = ("run", "--drain", "--metrics-port", "0", "--store", store, *place)
    move = ("follow-mirror", "--old", old.url, "--broker", new.url, "--store", store, *place)
    send_batch(old, p + "clicks", rows(0, 300), partition=1)
    assert command(*run, "--broker", old.url)["events"] == 300

    send_batch(
        new, p + "clicks", rows(90_000, 90_007), partition=1
    )  # what retention has taken since from the old one
    send_batch(new, p + "clicks", rows(0, 200), partition=1)
    assert "Wait until the mirror has it" in command(*move, code=1)["error"]
    send_batch(new, p + "clicks", rows(200, 300), partition=1)
    send_batch(old, p + "clicks", rows(300, 360), partition=1)  # after the daemon had stopped
    if not cluster_id(new).startswith(
        EMBEDDED_CLUSTER
    ):  # an embedded one is new at each start, so that its events are others
        assert "has followed topic" in command(*run, "--broker", new.url, code=1)["error"]
    send_batch(new, p + "clicks", rows(300, 330), partition=1)

    moved = command(*move)["partitions"]
    assert {(one["topic"], one["partition"]): (one["old"], one["new"]) for one in moved} == {
        (p + "clicks", 0): (0, 0),
        (p + "clicks", 1): (300, 307),
        (p + "browses", 0): (0, 0),
        (p + "purchases", 0): (0, 0),
        (p + "items", 0): (0, 0),
    }
    assert command(*move)["partitions"] == moved, "again changes nothing"
    send_batch(new, p + "clicks", rows(330, 360), partition=1)
    send_batch(new, p + "clicks", rows(360, 390), partition=1)  # by producers that changed over
    send_batch(new, p + "clicks", rows(390, 400), partition=0)
    done = command(*run, "--broker", new.url)
    assert (done["events"], done["redelivered"]) == (100, 0)
    assert command(*run, "--broker", new.url)["events"] == 0


def test_a_daemon_that_still_follows_the_old_cluster_is_named(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """While it applies events of the old cluster no place in the new one is the right one."""
    p = topic_prefix
    with EmbeddedBroker(log=tmp_path / "b") as new, QdrantServer(tmp_path / "q") as server:
        for broker in (kafka, new):
            ensure_topics(broker.config, {p + name: count for name, count in TOPICS.items()})
        place = ("--store", server.url, "--prefix", p, "--group", p)
        move = ("follow-mirror", *place, "--old", kafka.url)
        with DaemonProcess(tmp_path, "--broker", kafka.url, *place) as daemon:
            daemon.until_ready()
            said = command(*move, "--broker", new.url, code=1)["error"]
            assert f"a daemon of this store is at work on {kafka.url}" in said
            assert daemon.stop() == 0
        assert "are one cluster" in command(*move, "--broker", kafka.url, code=1)["error"]
        assert command(*move, "--broker", new.url)["partitions"]
