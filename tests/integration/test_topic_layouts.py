"""Topics as they are: by pattern, some of them later than the daemon, with unequal partition counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_columns import event
from support.data.record_sets import Row
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.kafka_producer import send_batch

pytestmark = pytest.mark.broker


def keyed(*events: dict[str, Any]) -> list[Row]:
    return [(each["user_id"].encode(), json.dumps(each).encode(), []) for each in events]


def events_of_users(store: Path | str) -> dict[str, int]:
    """How many events each user's state has."""
    with open_for_reading(str(store), Settings.load()) as workspace:
        from transfer.state.packing import unpack_states

        records = [record for page in workspace.store.users.scan(100) for record in page]
        states = unpack_states([record.state for record in records], workspace.interest)
        counts = states.n_events.tolist()
        return {record.user_id: count for record, count in zip(records, counts, strict=True)}


def settings_file(folder: Path, broker: BrokerConfig, prefix: str, text: str) -> Path:
    file = folder / "shop.toml"
    file.write_text(
        f'[broker]\nurl = "{broker.url}"\n[topics]\nprefix = "{prefix}"\n[daemon]\ngroup = "{prefix}"\n{text}'
    )
    return file


def test_topics_by_pattern_are_read_also_such_as_appear_later(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """What matches is read from its beginning, also under `--from latest` if it came while the daemon ran; ours that match are
    left out; a topic that is deleted holds up nobody."""
    from kafka.admin import KafkaAdminClient

    broker, p = kafka.config, topic_prefix
    ensure_topics(
        broker, {p + "items": 1, p + "dead-letters": 1, p + "shop.a": 1, p + "shop.b": 3, "other-" + p: 1}
    )
    send_batch(broker, p + "shop.a", keyed(event("before", "x")))
    send_batch(broker, p + "dead-letters", keyed(event("letter", "x")))
    config = settings_file(tmp_path, broker, p, '[topics.events.all]\npattern = ".+"\naction = "click"\n')
    store = tmp_path / "store"
    with DaemonProcess(
        tmp_path, "--config", str(config), "--store", str(store), "--from", "latest"
    ) as daemon:
        daemon.until_ready()
        send_batch(broker, p + "shop.a", keyed(event("ada", "x"), event("ada", "y", 1.0)))
        send_batch(broker, p + "shop.b", keyed(event("ben", "x")), partition=2)
        daemon.until_events(3)
        ensure_topics(broker, {p + "shop.late": 2})
        send_batch(broker, p + "shop.late", keyed(event("cleo", "x"), event("ada", "z", 2.0)), partition=1)
        daemon.until_events(5)
        assert daemon.metric("driftline_events_total", topic=p + "shop.late", outcome="applied") == 2
        admin = KafkaAdminClient(**broker.kafka_python())
        admin.delete_topics([p + "shop.late"])
        admin.close()
        daemon.until(lambda: f'"gone": ["{p}shop.late"]' in daemon.log, 60, "the topic is let go")
        send_batch(broker, p + "shop.a", keyed(event("dan", "x")))
        daemon.until_events(6)
        daemon.until_ready()
        assert daemon.stop() == 0
    assert events_of_users(store) == {"ada": 3, "ben": 1, "cleo": 1, "dan": 1}
    again = driftline(
        "run", "--config", str(config), "--store", str(store), "--drain", "--json", "--metrics-port", "0"
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["events"] == 0


def test_two_workers_share_topics_that_appear_later(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Whoever finds a topic first reads it, and then they share it: each record once."""
    broker, p = kafka.config, topic_prefix
    ensure_topics(broker, {p + "items": 1, p + "dead-letters": 1, p + "shop.a": 4})
    config = settings_file(
        tmp_path, broker, p, '[topics.events.all]\npattern = "shop[.].+"\naction = "click"\n'
    )
    with QdrantServer(tmp_path / "qdrant") as server:
        arguments = ("--config", str(config), "--store", server.url)
        with DaemonProcess(tmp_path, *arguments) as one, DaemonProcess(tmp_path, *arguments) as two:
            one.until_ready()
            two.until_ready()
            ensure_topics(broker, {p + "shop.late": 4})
            for partition in range(4):
                rows = keyed(
                    *[event(f"u{n}", f"i{n}", float(n), event_id=f"{partition}-{n}") for n in range(50)]
                )
                send_batch(broker, p + "shop.late", rows, partition=partition)

            def through() -> bool:
                told = [worker.metric("driftline_events_total", outcome="applied") for worker in (one, two)]
                return bool(sum(told) == 200)

            one.until(through, 90, "all events are applied")
            assert one.stop() == 0
            assert two.stop() == 0
        done = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["applied"] == 0
        assert events_of_users(server.url) == {f"u{n}": 4 for n in range(50)}
