"""A log through topics and the same log replayed, and the comparison of what came of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.states import assert_same_states
from support.data.event_columns import event
from support.servers.daemon_process import driftline

Row = dict[str, Any]
TOPICS = {"browse": "browses", "click": "clicks", "purchase": "purchases"}


def rows(count: int, users: int = 40, texts: bool = False) -> list[Row]:
    """A log with all three actions, several scenarios and repeats. With `texts` some events have one: a test that reads
    them has to load the model, which takes seconds."""
    scenarios = ["books", "games", "music", "garden"]
    log = []
    for n in range(count):
        row = event(
            f"user{n * n % users}",
            f"item{n * 7 % 90}",
            at=n * 5.0,
            scenario=scenarios[(n // 100 + n % 3) % 4],
            event_id=f"e{n}",
            text=f"looking for {n % 5} things" if texts and n % 50 == 0 else None,
        )
        log.append({**row, "action": ["browse", "click", "purchase"][n % 3]})
    return log


def write_lines(path: Path, log: Sequence[Row]) -> Path:
    """As JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in log))
    return path


def make_topics(broker: BrokerConfig, prefix: str, partitions: int = 4) -> None:
    """The five topics."""
    names = [prefix + name for name in (*TOPICS.values(), "items", "dead-letters")]
    ensure_topics(broker, dict.fromkeys(names, partitions))


def send(broker: BrokerConfig, prefix: str, log: Sequence[Row]) -> None:
    """Each event to the topic of its action, keyed by user; returns when all are acknowledged."""
    producer = KafkaProducer(**broker.kafka_python(), acks="all", linger_ms=5)
    futures = [
        producer.send(
            prefix + TOPICS[row["action"]],
            key=row["user_id"].encode(),
            value=json.dumps({k: v for k, v in row.items() if k != "action"}).encode(),
        )
        for row in log
    ]
    for future in futures:
        future.get(20)
    producer.close()


def replayed(folder: Path, log: Sequence[Row]) -> Path:
    """A store with the same log replayed."""
    path = write_lines(folder / "log.jsonl", log)
    done = driftline("replay", str(path), "--store", str(folder / "replayed"), "--json")
    assert done.returncode == 0, done.stderr
    return folder / "replayed"


def assert_equal_stores(a: Path | str, b: Path | str) -> int:
    """The same users and states in both, within 1e-4; how many users."""
    settings = Settings.load()
    with open_for_reading(str(a), settings) as one, open_for_reading(str(b), settings) as other:
        return assert_same_states(one.store, other.store, one.interest)
