"""Out of quarantine: the state is that of all the user's events, each once, whatever was damaged and whatever runs beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sinks.points import user_point_id
from streams.broker.config import BrokerConfig
from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.data.damaged import damage
from support.data.streamed_logs import assert_equal_stores, make_topics, replayed, rows, send, write_lines
from support.qdrant_process import QdrantProcess
from support.servers.daemon_process import DaemonProcess, driftline

pytestmark = pytest.mark.broker

LOG = rows(240, users=7)
USERS = sorted({row["user_id"] for row in LOG})
DAMAGED = USERS[:2]


def told(*arguments: str) -> dict[str, Any]:
    done = driftline(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def damaged(location: str) -> None:
    with open_intake(location, Settings.load(), create=False) as intake:
        damage(intake, *DAMAGED)


def where(broker: BrokerConfig, prefix: str, store: object) -> list[str]:
    return ["--broker", broker.url, "--prefix", prefix, "--store", str(store)]


def parked_of(log: list[dict[str, Any]]) -> int:
    return sum(row["user_id"] in DAMAGED for row in log)


@pytest.mark.parametrize("logs", [False, True], ids=["topics", "topics and logs"])
def test_states_are_made_again_from_topics_and_what_was_parked(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path, logs: bool
) -> None:
    """Two users are damaged between two drains: their events are parked, the others' applied; after the repair all states are
    those of a replay, and later events are applied as ever. Logs that overlap the topics change nothing."""
    broker = embedded_broker.config
    arguments = where(broker, topic_prefix, tmp_path / "live")
    drain = ["run", *arguments, "--group", topic_prefix, "--drain", "--metrics-port", "0"]
    make_topics(broker, topic_prefix)
    send(broker, topic_prefix, LOG[:100])
    assert told(*drain)["applied"] == 100
    damaged(str(tmp_path / "live"))
    send(broker, topic_prefix, LOG[100:200])
    assert told(*drain)["applied"] == 100 - parked_of(LOG[100:200])
    listed = told("repair", *arguments)["quarantined"]
    assert {entry["point"] for entry in listed} == set(map(user_point_id, DAMAGED))
    more = ["--from", str(write_lines(tmp_path / "old.jsonl", LOG[:150]))] if logs else []
    done = told("repair", "--all-quarantined", *more, *arguments)
    assert (done["users"], done["events"], done["without_events"]) == (2, parked_of(LOG[:200]), [])
    assert done["parked"] == parked_of(LOG[100:200])
    assert told("repair", *arguments)["quarantined"] == []
    again = told("dead-letters", "redrive", "--reason", "user_quarantined", *arguments)
    assert (again["applied"], again["redriven_before"]) == (0, parked_of(LOG[100:200]))
    send(broker, topic_prefix, LOG[200:])
    assert told(*drain)["applied"] == 40
    assert assert_equal_stores(tmp_path / "live", replayed(tmp_path, LOG)) == len(USERS)


def test_one_user_is_repaired_beside_a_running_daemon(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """The daemon never stops: events that come before, during and after the repair count once."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    with QdrantProcess(tmp_path / "q") as server:
        arguments = where(broker, topic_prefix, server.url)
        send(broker, topic_prefix, LOG[:100])
        group = ["--group", topic_prefix]
        assert told("run", *arguments, *group, "--drain", "--metrics-port", "0")["applied"] == 100
        damaged(server.url)
        with DaemonProcess(tmp_path, *arguments, *group) as daemon:
            daemon.until_ready()
            send(broker, topic_prefix, LOG[100:150])
            daemon.until_events(50)
            assert daemon.metric("driftline_quarantined_users") == 2
            assert "quarantine" in json.loads(daemon.get("/ready")[1])["warnings"][0]
            for user in DAMAGED:
                assert told("repair", user, *arguments)["users"] == 1
            send(broker, topic_prefix, LOG[150:])
            daemon.until_events(140)
            daemon.until(
                lambda: daemon.metric("driftline_quarantined_users") == 0, 20, "nobody is quarantined"
            )
            assert daemon.stop() == 0, daemon.log
            assert not any(f'"{user}"' in daemon.log for user in DAMAGED), "no user id in the log"
        assert assert_equal_stores(server.url, replayed(tmp_path, LOG)) == len(USERS)


def test_a_user_is_dropped_when_asked(embedded_broker: Any, topic_prefix: str, tmp_path: Path) -> None:
    """--drop forgets what was, and begins with what is parked; a healthy user is refused."""
    broker = embedded_broker.config
    arguments = where(broker, topic_prefix, tmp_path / "live")
    drain = ["run", *arguments, "--group", topic_prefix, "--drain", "--metrics-port", "0"]
    make_topics(broker, topic_prefix)
    send(broker, topic_prefix, LOG[:100])
    told(*drain)
    damaged(str(tmp_path / "live"))
    of_user = [row for row in LOG[100:200] if row["user_id"] == DAMAGED[0]]
    send(broker, topic_prefix, of_user)
    told(*drain)
    assert told("repair", DAMAGED[0], "--drop", *arguments)["events"] == len(of_user)
    explained = told("explain", DAMAGED[0], "--store", str(tmp_path / "live"))
    assert explained["events"] == len(of_user)
    assert told("repair", DAMAGED[1], "--drop", *arguments)["events"] == 0
    assert driftline("explain", DAMAGED[1], "--store", str(tmp_path / "live")).returncode == 1
    healthy = driftline("repair", USERS[3], *arguments)
    assert healthy.returncode == 1 and "nothing to repair" in healthy.stderr
