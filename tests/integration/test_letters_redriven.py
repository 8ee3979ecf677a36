"""Dead letters after a fix: listed, shown, redriven; each once, in whatever order, however often."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.broker.config import BrokerConfig
from support.data.streamed_logs import assert_equal_stores, make_topics, rows, send
from support.servers.daemon_process import driftline

pytestmark = pytest.mark.broker

AHEAD_S = 7200.0
LIMIT = {"DRIFTLINE_DAEMON__MAX_FUTURE_S": "86400"}


def told(*arguments: str, **environment: str) -> dict[str, Any]:
    done = driftline(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Shop:
    """A topic of events of which every fourth lies two hours ahead, and a store that a daemon has filled from it."""

    def __init__(self, broker: BrokerConfig, prefix: str, folder: Path) -> None:
        now = time.time()
        self.log = [
            {**row, "timestamp": now - 3600 + n + (3600 + AHEAD_S if n % 4 == 1 else 0)}
            for n, row in enumerate(rows(48, users=5))
        ]
        make_topics(broker, prefix, partitions=2)
        send(broker, prefix, self.log)
        self.letters = ["--broker", broker.url, "--prefix", prefix]
        self.arguments = [*self.letters, "--store", str(folder / "live")]
        self.run = ["run", *self.arguments, "--group", prefix, "--drain", "--metrics-port", "0"]
        self.store = folder / "live"

    def redrive(self, *which: str, **environment: str) -> dict[str, Any]:
        return told("dead-letters", "redrive", *which, *self.arguments, **{**LIMIT, **environment})


@pytest.fixture
def shop(embedded_broker: Any, topic_prefix: str, tmp_path: Path) -> Shop:
    made = Shop(embedded_broker.config, topic_prefix, tmp_path)
    summary = told(*made.run)
    assert (summary["applied"], summary["rejected"]) == (36, 12)
    return made


def test_letters_are_redriven_one_by_one_in_any_order(shop: Shop, tmp_path: Path) -> None:
    """Two of them, then one between, then all, then all again: the states are those of a replay of everything."""
    listed = told("dead-letters", "list", *shop.letters)
    assert listed["total"] == 12 and {each["reason"] for each in listed["letters"]} == {"timestamp_in_future"}
    names = [each["letter"] for each in listed["letters"]]
    assert shop.redrive(names[5], names[9])["applied"] == 2
    assert shop.redrive(names[7])["applied"] == 1
    assert shop.redrive(names[5], names[7])["redriven_before"] == 2
    everything = shop.redrive()
    assert (everything["applied"], everything["redriven_before"], everything["kept"]) == (9, 3, [])
    again = shop.redrive("--reason", "timestamp_in_future")
    assert (again["applied"], again["redriven_before"]) == (0, 12)
    assert told(*shop.run)["events"] == 0
    done = replayed_all(tmp_path, shop.log)
    assert assert_equal_stores(shop.store, done) == 3


def replayed_all(folder: Path, log: list[dict[str, Any]]) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in log))
    told("replay", str(path), "--store", str(folder / "replayed"), **LIMIT)
    return folder / "replayed"


def test_a_redrive_that_is_killed_is_run_again(shop: Shop, tmp_path: Path) -> None:
    """SIGKILL between the users' write and the letters' progress loses nothing and counts nothing twice."""
    command = [sys.executable, "-c", KILLED, "dead-letters", "redrive", *shop.arguments]
    environment = {**os.environ, **LIMIT, "DRIFTLINE_TEST_KILL": "users written"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = shop.redrive()
    assert (again["applied"], again["duplicates"], again["kept"]) == (0, 12, [])
    assert shop.redrive()["redriven_before"] == 12
    assert assert_equal_stores(shop.store, replayed_all(tmp_path, shop.log)) == 3


KILLED = """
import os, signal
from streams.failpoints import Failpoints

def reached(self, step):
    if step == os.environ["DRIFTLINE_TEST_KILL"]:
        os.kill(os.getpid(), signal.SIGKILL)

Failpoints.reached = reached
from streams.cli.main import main
main()
"""
"""The program, which kills itself at a step."""


def test_letters_that_still_fail_stay_with_their_reasons(
    shop: Shop, embedded_broker: Any, topic_prefix: str
) -> None:
    """Without the fix nothing is applied; filters by topic and reason choose; the exit code is 0 and the reasons are
    reported."""
    done = shop.redrive("--topic", "clicks", DRIFTLINE_DAEMON__MAX_FUTURE_S="60")
    clicks = [row for n, row in enumerate(shop.log) if n % 4 == 1 and row["action"] == "click"]
    assert done["applied"] == 0
    assert [each["still"] for each in done["kept"]] == ["timestamp_in_future"] * len(clicks)
    assert shop.redrive("--reason", "not_json")["letters"] == 0


def test_a_letter_shows_what_it_holds_only_when_asked(shop: Shop) -> None:
    """`list` tells nothing of the record; `show` tells all of it."""
    done = driftline("dead-letters", "list", *shop.letters)
    assert done.returncode == 0 and "user" not in done.stdout.replace("user_id", "")
    assert "12 letters" in done.stdout
    name = done.stdout.split()[0]
    shown = told("dead-letters", "show", name, *shop.letters)
    assert json.loads(shown["value"])["user_id"].startswith("user")
    missing = driftline("dead-letters", "show", "0/999999", *shop.letters)
    assert missing.returncode == 1 and "there is no letter 0/999999" in missing.stderr
    assert driftline("dead-letters", "show", "x", *shop.letters).returncode == 2


def test_truncated_letters_and_unknown_topics_are_refused(
    shop: Shop, embedded_broker: Any, topic_prefix: str
) -> None:
    """What is not whole, or whose topic is none of ours, is never applied; the message says so."""
    producer = KafkaProducer(**embedded_broker.config.kafka_python(), acks="all", max_request_size=3_000_000)
    value = json.dumps({**shop.log[0], "surplus": "x" * 950_000}).encode()
    headers = [
        ("reason", b"not_json"),
        ("source-topic", (topic_prefix + "clicks").encode()),
        ("source-offset", b"5"),
    ]
    topic = topic_prefix + "dead-letters"
    producer.send(topic, value=value[:100], headers=[*headers, ("truncated", b"950100")]).get(20)
    producer.send(topic, value=value, headers=[("reason", b"x"), ("source-topic", b"elsewhere")]).get(20)
    producer.close()
    kept = shop.redrive()["kept"]
    assert sorted(each["still"] for each in kept) == ["truncated", "unknown_topic"]
