"""Declared interests as a shop runs them: a topic beside the events, a damaged state, a user who wants out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.data.damaged import damage
from support.data.streamed_logs import make_topics, rows, send
from support.fakes.tiny_model import save_tiny_model
from support.servers.daemon_process import driftline

pytestmark = pytest.mark.broker

LOG = rows(60, users=4)
USER = LOG[0]["user_id"]


def declare(broker: BrokerConfig, topic: str, *records: tuple[str, dict[str, Any] | bytes | None]) -> None:
    producer = KafkaProducer(**broker.kafka_python(), acks="all")
    for key, value in records:
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        producer.send(topic, key=key.encode(), value=raw).get(20)
    producer.close()


def test_from_the_topic_to_the_answer_and_out_again(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drained with the events; parked while a state can't be read, and there again after its repair; taken back by a tombstone;
    a bad record is a letter."""
    broker, store = embedded_broker.config, str(tmp_path / "s")
    model = str(save_tiny_model(tmp_path / "model", width=128, positions=128))
    environment = {"DRIFTLINE_TOPICS__PROFILES": "profiles", "DRIFTLINE_ENCODER__MODEL": model}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    where = ["--broker", broker.url, "--prefix", topic_prefix, "--store", store]
    drain = ["run", *where, "--group", topic_prefix, "--drain", "--metrics-port", "0"]

    def told(*arguments: str) -> dict[str, Any]:
        done = driftline(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def texts(user: str) -> list[str]:
        return [one["text"] for one in told("explain", user, "--store", store)["declared"]]

    make_topics(broker, topic_prefix)
    topic = f"{topic_prefix}profiles"
    ensure_topics(broker, {topic: 2})
    send(broker, topic_prefix, LOG)
    declare(
        broker,
        topic,
        ("newcomer", {"user_id": "newcomer", "interests": "red grapes", "language": "en"}),
        (USER, {"user_id": USER, "interests": "motor oil"}),
        ("x", b"{nope"),
    )
    summary = told(*drain)
    assert (summary["applied"], summary["rejected"]) == (60, 1)
    assert texts("newcomer") == ["red grapes"] and texts(USER) == ["motor oil"]
    shown = told("recommend", "newcomer", "--store", store)
    assert shown["user"] == "new" and {item["source"] for item in shown["items"]} == {"declared"} | {
        item["source"] for item in shown["items"] if item["source"] == "new"
    }
    with open_intake(store, Settings.load(), create=False) as intake:
        damage(intake, USER)
    declare(broker, topic, (USER, {"user_id": USER, "interests": "green fruit", "scenario": "games"}))
    assert told(*drain)["parked"] == 1
    repaired = told("repair", "--all-quarantined", *where)
    assert (repaired["users"], repaired["parked"], repaired["without_events"]) == (1, 1, [])
    assert texts(USER) == ["motor oil", "green fruit"]
    events = sum(row["user_id"] == USER for row in LOG)
    assert told("explain", USER, "--store", store)["events"] == events
    declare(broker, topic, (USER, None))
    told(*drain)
    assert texts(USER) == []
    told("forget", "newcomer", "--store", store)
    assert driftline("explain", "newcomer", "--store", store).returncode == 1
    assert told("dead-letters", "redrive", *where)["kept"]
