"""`driftline forget` and `consent` as a shop runs them: beside daemons, killed half-way, and to the last byte of a folder."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from sinks.open import open_store
from sinks.protocols import Store
from sinks.writer import FORGOTTEN
from streams.broker.topics import ensure_topics
from streams.settings import Settings
from support.data.streamed_logs import make_topics, rows, send, write_lines
from support.qdrant_process import QdrantProcess
from support.servers.daemon_process import DaemonProcess, driftline, program

LOG = rows(240, users=7)
USERS = sorted({row["user_id"] for row in LOG})


def told(*arguments: str, **environment: str) -> dict[str, Any]:
    done = driftline(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def opened(location: object) -> Store:
    settings = Settings()
    return open_store(str(location), settings.store, settings.interest.dim, create=False)


def everything(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_after_a_vacuum_no_byte_of_the_user_is_in_the_folder(tmp_path: Path) -> None:
    """Neither id, nor state, nor vectors, in any file; all others are bit for bit as they were, and the store goes on."""
    store, log = tmp_path / "s", write_lines(tmp_path / "log.jsonl", LOG)
    told("replay", str(log), "--store", str(store))
    gone, kept = USERS[0], USERS[1:]
    with opened(store) as there:
        (user,) = there.users.read([gone], with_vectors=True)
        before = there.users.read(kept, with_vectors=True)
    assert user is not None and user.fused is not None and user.interests is not None
    traces = [
        gone.encode(),
        user.fused.tobytes(),
        base64.b64encode(user.state)[:64],
        base64.b64encode(user.interests.tobytes())[:64],
    ]
    assert all(trace in everything(store) for trace in traces)
    dry = told("forget", gone, "--dry-run", "--store", str(store))
    assert dry == {"users": 1, "absent": 0, "dry_run": True}
    done = driftline("forget", gone, "stranger", "--yes", "--store", str(store))
    assert done.returncode == 0 and "1 users forgotten, and 1 that are not in the store" in done.stdout
    assert "--vacuum" in done.stderr and "topics" in done.stderr
    vacuumed = told("forget", "--vacuum", "--store", str(store))
    assert vacuumed["vacuumed"] is True
    found = everything(store)
    assert [trace for trace in traces if trace in found] == []
    assert not list(store.glob("*.stale")) and not list(store.glob("*.fresh"))
    with opened(store) as there:
        after = there.users.read(kept, with_vectors=True)
        for one, other in zip(before, after, strict=True):
            assert one is not None and other is not None
            assert (one.state, one.watermarks, one.weights) == (other.state, other.watermarks, other.weights)
            assert one.fused is not None and other.fused is not None
            assert one.fused.tobytes() == other.fused.tobytes()
        assert there.users.claim([gone]).holds == [FORGOTTEN]
    unknown = driftline("recommend", gone, "--json", "--store", str(store))
    never = driftline("recommend", "never-seen", "--json", "--store", str(store))
    assert unknown.returncode == never.returncode == 0 and '"new"' in never.stdout
    assert unknown.stdout.replace(gone, "X") == never.stdout.replace("never-seen", "X")
    assert unknown.stderr == never.stderr
    assert driftline("explain", gone, "--store", str(store)).returncode == 1
    exported = told("export", "--store", str(store), "--out", str(tmp_path / "u.parquet"))
    assert exported["users"] == len(kept)
    again = told(
        "replay", str(write_lines(tmp_path / "b.jsonl", LOG[::-1])), "--overlapping", "--store", str(store)
    )
    assert again["forgotten"] == sum(row["user_id"] == gone for row in LOG) and again["rejected"] == 0


def test_nothing_is_forgotten_without_a_yes(tmp_path: Path) -> None:
    """Without --yes a person is asked; without an answer nothing changes. Wrong input is one line, without ids."""
    store = tmp_path / "s"
    told("replay", str(write_lines(tmp_path / "log.jsonl", LOG[:40])), "--store", str(store))
    asked = driftline("forget", USERS[0], "--store", str(store))
    assert asked.returncode != 0
    with opened(store) as there:
        assert there.users.read([USERS[0]])[0] is not None
    (tmp_path / "ids").write_text(f"{USERS[1]}\n   \n")
    wrong = driftline("forget", "--file", str(tmp_path / "ids"), "--yes", "--store", str(store))
    assert wrong.returncode == 2 and USERS[1] not in wrong.stderr and "user 2" in wrong.stderr
    assert driftline("forget", "--yes", "--store", str(store)).returncode == 2
    assert driftline("forget", "ada", "--yes", "--store", str(tmp_path / "no")).returncode == 1
    assert not (tmp_path / "no").exists()


@pytest.mark.server
def test_killed_half_way_it_is_run_again(tmp_path: Path) -> None:
    """SIGKILL at any moment: some are forgotten, the others as they were, and the same command completes it."""
    many = rows(900, users=450)
    names = sorted({row["user_id"] for row in many})
    (tmp_path / "ids").write_text("\n".join(names[:-1]))
    with QdrantProcess(tmp_path / "q") as server:
        told("replay", str(write_lines(tmp_path / "log.jsonl", many)), "--store", server.url)
        arguments = ["forget", "--file", str(tmp_path / "ids"), "--yes", "--store", server.url]
        small = {"DRIFTLINE_STORE__BATCH_POINTS": "10"}
        began = server.faults()["calls"].get("Upsert", 0)
        running = subprocess.Popen(
            [str(program()), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **small},
        )
        deadline = time.monotonic() + 60
        while server.faults()["calls"].get("Upsert", 0) < began + 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        with opened(server.url) as there:
            held = there.users.claim(names).holds
            assert 0 < held.count(FORGOTTEN) < len(names)
            assert len([user for user in there.users.read(names) if user]) == len(names) - held.count(
                FORGOTTEN
            )
        told(*arguments)
        with opened(server.url) as there:
            assert there.users.claim(names).holds.count(FORGOTTEN) == len(names) - 1
            assert there.users.count() == 1


@pytest.mark.broker
@pytest.mark.server
def test_beside_a_running_daemon(embedded_broker: Any, topic_prefix: str, tmp_path: Path) -> None:
    """The daemon never stops. It holds the user in memory, and drops what comes; after a consent it begins anew. Parked and
    rejected letters of the user don't apply, and repair brings nobody back."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    gone = USERS[0]
    now = time.time()
    log = [{**row, "timestamp": now - 3600 + n} for n, row in enumerate(LOG)]
    ahead = [{**log[0], "user_id": gone, "timestamp": now + 7200}]
    with QdrantProcess(tmp_path / "q") as server:
        arguments = ["--broker", broker.url, "--prefix", topic_prefix, "--store", server.url]
        ensure_topics(broker, {f"{topic_prefix}agreed": 2})
        topic = {"DRIFTLINE_TOPICS__CONSENTS": "agreed"}
        with DaemonProcess(tmp_path, *arguments, "--group", topic_prefix, **topic) as daemon:
            daemon.until_ready()
            send(broker, topic_prefix, log[:100])
            daemon.until_events(100)
            send(broker, topic_prefix, ahead)  # rejected: a dead letter of the user
            daemon.until_events(101)
            done = told("forget", gone, "--store", server.url)
            assert (done["users"], done["absent"]) == (1, 0)
            send(broker, topic_prefix, log[100:])
            daemon.until_events(241)
            dropped = sum(row["user_id"] == gone for row in log[100:])
            assert outcome(daemon, "forgotten") == dropped
            limit = {"DRIFTLINE_DAEMON__MAX_FUTURE_S": "86400"}
            redriven = driftline("dead-letters", "redrive", *arguments, "--json", **limit)
            assert redriven.returncode == 0, redriven.stderr
            told_of = json.loads(redriven.stdout)
            assert (told_of["applied"], told_of["forgotten"]) == (0, 1)
            assert driftline("repair", gone, *arguments).returncode == 1
            with opened(server.url) as there:
                assert there.users.read([gone]) == [None] and there.users.count() == len(USERS) - 1
            assert told("consent", gone, "--store", server.url)["consented"] == 1
            since = time.time()
            send(
                broker,
                topic_prefix,
                [{**log[0], "user_id": gone, "timestamp": since + 1}, {**log[1], "user_id": gone}],
            )
            daemon.until_events(243)
            assert told("explain", gone, "--store", server.url)["events"] == 1
            # The same by the topic of consents.
            told("forget", gone, "--store", server.url)
            producer = KafkaProducer(**broker.kafka_python(), acks="all")
            agreed = json.dumps({"user_id": gone, "timestamp": time.time()}).encode()
            producer.send(f"{topic_prefix}agreed", key=gone.encode(), value=agreed).get(20)
            producer.close()
            daemon.until(lambda: claimable(server.url, gone), 30, "the consent is in the store")
            send(broker, topic_prefix, [{**log[2], "user_id": gone, "timestamp": time.time()}])
            daemon.until_events(244)
            assert told("explain", gone, "--store", server.url)["events"] == 1
            assert daemon.stop() == 0, daemon.log
            assert f'"{gone}"' not in daemon.log


def claimable(location: str, user: str) -> bool:
    with opened(location) as there:
        return there.users.claim([user]).holds != [FORGOTTEN]


def outcome(daemon: DaemonProcess, name: str) -> float:
    text = daemon.get("/metrics")[1]
    lines = [line for line in text.splitlines() if line.startswith("driftline_events_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'outcome="{name}"' in line)


@pytest.mark.server
def test_beside_a_rebuild(tmp_path: Path) -> None:
    """Users are forgotten by one process while another fills a version and switches to it: none of them is in either."""
    many = rows(1500, users=750)
    names = sorted({row["user_id"] for row in many})
    (tmp_path / "new.toml").write_text("[transfer]\nemergence_gain = 0.0\nshort_term_share = 0.9\n")
    with QdrantProcess(tmp_path / "q") as server:
        told("replay", str(write_lines(tmp_path / "log.jsonl", many)), "--store", server.url)
        command = [
            "rebuild",
            "analytic",
            "--config",
            str(tmp_path / "new.toml"),
            "--store",
            server.url,
            "--json",
        ]
        with subprocess.Popen([str(program()), *command], stdout=subprocess.PIPE) as running:
            gone: list[str] = []
            while running.poll() is None and len(gone) < 600:
                part = names[len(gone) : len(gone) + 60]
                (tmp_path / "ids").write_text("\n".join(part))
                told("forget", "--file", str(tmp_path / "ids"), "--yes", "--store", server.url)
                gone += part
            out, _ = running.communicate(timeout=120)
        assert running.returncode == 0, out
        assert gone
        with opened(server.url) as there:
            assert there.versions.opened.name != ""
            for users in (there.users, *there.versions.beside()):
                assert set(users.claim(gone).holds) == {FORGOTTEN}
                assert [user for user in users.read(gone) if user] == []
            assert there.users.count() == len(names) - len(gone)


@pytest.mark.broker
@pytest.mark.server
def test_a_daemon_that_was_frozen_brings_nobody_back(
    embedded_broker: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """It is stopped in the midst of its work, users are forgotten, and it wakes up past its session: what it held is refused,
    and the worker that took over drops the same events."""
    broker = embedded_broker.config
    make_topics(broker, topic_prefix)
    now = time.time()
    log = [{**row, "timestamp": now - 3600 + n} for n, row in enumerate(rows(1200, users=40))]
    names = sorted({row["user_id"] for row in log})
    half = len(names) // 2
    with QdrantProcess(tmp_path / "q") as server:
        arguments = ["--broker", broker.url, "--prefix", topic_prefix, "--store", server.url]
        group = ["--group", topic_prefix]
        with DaemonProcess(tmp_path, *arguments, *group) as zombie:
            zombie.until_ready()
            send(broker, topic_prefix, log[:600])
            zombie.until_events(100)
            zombie.freeze()
            (tmp_path / "ids").write_text("\n".join(names[:half]))
            done = told("forget", "--file", str(tmp_path / "ids"), "--yes", "--store", server.url)
            assert done["users"] + done["absent"] == half
            with DaemonProcess(tmp_path, *arguments, *group) as successor:
                successor.until_ready(120)
                zombie.thaw()
                send(broker, topic_prefix, log[600:])
                both = (successor, zombie)
                successor.until(
                    lambda: sum(each.metric("driftline_events_total") for each in both) >= 1200,
                    90,
                    "all events are read",
                )
                successor.stop()
            zombie.stop()
        with opened(server.url) as there:
            assert there.users.claim(names[:half]).holds == [FORGOTTEN] * half
            kept = [user for user in there.users.read(names[half:]) if user]
            assert len(kept) == len(names) - half == there.users.count()
