"""Topics as they are: by pattern, some of them later than the daemon, with unequal partition counts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EmbeddedBroker
from streams.broker.topics import ensure_topics, existing_topics
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_columns import NOW, event
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


SHOP = """
[events]
user_id = "context.customer.id"
item_id = "sku"
scenario = "department"
timestamp = "at"
time = "ms"
action = "type"
[events.actions]
view = "browse"
addtocart = "click"
transaction = "purchase"
"*" = "ignore"
[topics.events.shop]
topic = "shop-log"
"""


def shop_line(user: str, item: str, kind: str, second: float) -> dict[str, Any]:
    return {
        "context": {"customer": {"id": user}},
        "sku": item,
        "department": "books",
        "at": int((NOW - 5000 + second) * 1000),
        "type": kind,
    }


def test_one_topic_of_all_actions_is_read_by_the_settings_alone(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """A shop's log as it is, in milliseconds and with its own names: the daemon, a replay of the same lines, and a re-drive of
    them give one state; no topic of the default ones is needed."""
    p = topic_prefix
    ensure_topics(broker, {p + "shop-log": 3, p + "items": 1, p + "dead-letters": 1})
    kinds = ["view", "View", "addtocart", "transaction", "scroll"]
    lines = [shop_line(f"u{n % 7}", f"i{n % 11}", kinds[n % 5], float(n)) for n in range(200)]
    log = tmp_path / "shop.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for partition in range(3):
        rows = [(None, json.dumps(line).encode(), []) for line in lines[partition::3]]
        send_batch(broker, p + "shop-log", rows, partition=partition)
    config = settings_file(tmp_path, broker, p, SHOP)
    run = ("run", "--config", str(config), "--drain", "--json", "--metrics-port", "0", "--store")
    done = driftline(*run, str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["applied"], summary["rejected"]) == (160, 0)
    replayed = driftline(
        "replay", str(log), "--config", str(config), "--store", str(tmp_path / "r"), "--json"
    )
    assert json.loads(replayed.stdout)["applied"] == 160, replayed.stderr
    assert events_of_users(tmp_path / "s") == events_of_users(tmp_path / "r")

    sent = driftline("redrive", str(log), "--config", str(config), "--prefix", p + "again-", "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["topics"] == {p + "again-shop-log": 160}
    again = driftline(*run, str(tmp_path / "a"), "--prefix", p + "again-", "--group", p + "again")
    assert json.loads(again.stdout)["applied"] == 160, again.stderr
    assert events_of_users(tmp_path / "a") == events_of_users(tmp_path / "r")


def test_each_topic_is_read_by_its_own_description(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """Several topics, each with its fields and its form of time; a record whose action is not its topic's is a dead letter, and
    is applied by a re-drive once the layout is right."""
    text = """
[events]
time = "ms"
[topics.events.taps]
topic = "taps"
action = "click"
description = { user_id = "who", item_id = "what" }
[topics.events.sold]
topic = "sold"
action = "purchase"
description = { time = "iso", actions = { order = "purchase", view = "browse" } }
"""
    p = topic_prefix
    ensure_topics(broker, {p + "taps": 1, p + "sold": 2, p + "items": 1, p + "dead-letters": 1})
    at = int((NOW - 5000) * 1000)
    taps = [{"who": "ada", "what": f"i{n}", "timestamp": at + n, "scenario": "books"} for n in range(3)]
    sold = [
        {
            "user_id": "ada",
            "item_id": "i1",
            "timestamp": "2026-06-01T10:00:00Z",
            "scenario": "books",
            "action": action,
        }
        for action in ("order", "Purchase", "view", "nonsense")
    ]
    send_batch(broker, p + "taps", [(b"ada", json.dumps(each).encode(), []) for each in taps])
    send_batch(broker, p + "sold", [(b"ada", json.dumps(each).encode(), []) for each in sold], partition=1)
    config = settings_file(tmp_path, broker, p, text + "[store]\nlocation = 's'\n")
    done = driftline("run", "--config", str(config), "--drain", "--json", "--metrics-port", "0")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["applied"] + summary["duplicates"], summary["rejected"]) == (5, 2)
    listed = json.loads(driftline("dead-letters", "list", "--config", str(config), "--json").stdout)
    assert {one["reason"] for one in listed["counts"]} == {"action_contradicts_topic", "unknown_action"}
    fixed = config.read_text().replace('topic = "sold"\naction = "purchase"', 'topic = "sold"')
    config.write_text(fixed)
    redriven = json.loads(
        driftline(
            "dead-letters",
            "redrive",
            "--reason",
            "action_contradicts_topic",
            "--config",
            str(config),
            "--json",
        ).stdout
    )
    assert redriven["applied"] == 1


def test_a_form_that_is_not_written_is_refused_before_anything_is_made(
    embedded_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """A re-drive, or a simulation, into a topic of Avro names it, and makes no topic."""
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({**event("ada"), "action": "click"}) + "\n")
    text = '[topics.events.all]\ntopic = "avro"\ndescription = { format = "avro" }\n'
    config = settings_file(tmp_path, embedded_broker.config, topic_prefix, text)
    for command in (("redrive", str(log)), ("simulate", "--seconds", "1")):
        done = driftline(*command, "--config", str(config))
        assert done.returncode == 2, done.stdout + done.stderr
        assert f"topic '{topic_prefix}avro' (all): format = 'avro'" in done.stderr
    assert topic_prefix + "avro" not in existing_topics(embedded_broker.config)
    config = settings_file(
        tmp_path, embedded_broker.config, topic_prefix, '[topics.events.all]\npattern = "x.+"\n'
    )
    done = driftline("simulate", "--seconds", "1", "--config", str(config))
    assert (done.returncode, "pattern names none" in done.stderr) == (2, True), done.stderr


def test_doctor_tells_what_the_topics_hold(
    embedded_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """Topics by pattern, how many of their newest records are events by the description, and why the others are none."""
    p = topic_prefix
    ensure_topics(
        embedded_broker.config, {p + "shop.a": 1, p + "shop.b": 2, p + "items": 1, p + "dead-letters": 1}
    )
    lines = [shop_line("secret-user", "i1", kind, 1.0) for kind in ("view", "scroll", "view")]
    rows: list[Row] = [(None, json.dumps(line).encode(), []) for line in [*lines, {"at": "never"}]]
    send_batch(embedded_broker.config, p + "shop.b", rows, partition=1)
    text = SHOP.replace('topic = "shop-log"', 'pattern = "shop[.].+"')
    config = settings_file(tmp_path, embedded_broker.config, p, text)
    done = driftline("doctor", "--config", str(config), "--json")
    told = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert told["topics"]["ok"], done.stdout
    assert told["pattern of shop"]["found"] == "2 topics match 'shop[.].+'"
    assert told[f"events of {p}shop.b"]["found"] == "2 of the 4 newest records are events, 1 are ignored"
    assert "1 x " in told[f"events of {p}shop.b"]["fix"]
    assert "secret-user" not in done.stdout


def test_a_new_store_begins_at_a_time_of_a_redriven_log(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """With the events' own times on the records, `run --from TIME` takes the events from then on and no others."""
    p = topic_prefix
    at = time.time() - 5000
    rows = [{**event(f"u{n % 5}", f"i{n}"), "timestamp": at + n, "action": "click"} for n in range(400)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = ("--broker", broker.url, "--prefix", p)
    sent = driftline("redrive", str(log), *place, "--record-time", "event")
    assert sent.returncode == 0, sent.stderr
    store = ("--store", str(tmp_path / "s"), "--group", p)
    run = driftline(
        "run", *place, *store, "--from", str(at + 250), "--drain", "--json", "--metrics-port", "0"
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["applied"] == 150
