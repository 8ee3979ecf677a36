"""Topics as connectors and registries leave them, against real brokers: read, waited for, and put right by letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.broker.config import BrokerConfig
from streams.broker.topics import ensure_topics
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.record_sets import Row
from support.data.wire_records import AVRO_EVENT, as_text, avro_bytes, prefixed
from support.servers.daemon_process import DaemonProcess, driftline
from support.servers.kafka_producer import send_batch
from support.servers.schema_registry import SchemaRegistry
from support.servers.topic_reader import read_topic
from transfer.state.packing import unpack_states

pytestmark = pytest.mark.broker

AT = 1_793_527_200


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry(user="key", password="s3cret") as started:
        yield started


class Shop:
    """Settings, a store and topics of one test."""

    def __init__(self, broker: BrokerConfig, prefix: str, folder: Path, text: str) -> None:
        self.broker, self.prefix, self.folder = broker, prefix, folder
        self.file = folder / "shop.toml"
        self.file.write_text(
            f'[broker]\nurl = "{broker.url}"\n[topics]\nprefix = "{prefix}"\n[daemon]\ngroup = "{prefix}"\n{text}'
        )
        self.arguments = ["--config", str(self.file), "--store", str(folder / "store")]
        ensure_topics(broker, {prefix + name: 2 for name in ("shop", "items", "dead-letters")})

    def send(self, topic: str, *records: Row) -> None:
        send_batch(self.broker, self.prefix + topic, list(records))

    def run(self, *arguments: str, code: int = 0, **environment: str) -> dict[str, Any]:
        done = driftline(*arguments, *self.arguments, "--json", **environment)
        assert done.returncode == code, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def drain(self, **environment: str) -> dict[str, Any]:
        return self.run("run", "--drain", "--metrics-port", "0", **environment)

    @property
    def counts(self) -> dict[str, int]:
        """Events of each user's state."""
        with open_for_reading(str(self.folder / "store"), Settings.load(self.file)) as workspace:
            records = [record for page in workspace.store.users.scan(100) for record in page]
            states = unpack_states([record.state for record in records], workspace.interest)
            return {
                record.user_id: count for record, count in zip(records, states.n_events.tolist(), strict=True)
            }

    @property
    def items(self) -> dict[str, str]:
        """Title of each item."""
        with open_for_reading(str(self.folder / "store"), Settings.load(self.file)) as workspace:
            found = [record for page in workspace.store.items.scan(100) for record in page]
            return {record.item_id: record.title for record in found}

    def letters(self, expected: int) -> dict[str, int]:
        found = read_topic(self.broker, self.prefix + "dead-letters", expected)
        reasons = [dict(letter.headers)["reason"].decode() for letter in found]
        return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def avro_event(user: str, second: int = 0) -> bytes:
    at = datetime.fromtimestamp(AT + second, UTC)
    row = {"user_id": user, "timestamp": at, "scenario": "shop", "item_id": "i1", "event_id": None}
    return avro_bytes(row, AVRO_EVENT)


AVRO = """
[registry]
url = "{url}"
username = "key"
[topics.events.avro]
topic = "shop"
action = "click"
[topics.events.avro.description]
format = "avro"
"""
PASSWORD = {"DRIFTLINE_REGISTRY__PASSWORD": "s3cret\n"}


def test_an_avro_topic_waits_for_its_registry(
    broker: BrokerConfig, registry: SchemaRegistry, topic_prefix: str, tmp_path: Path
):
    """Known schemas are read on while the registry is away; a new one waits, says so on /ready, and costs no record."""
    shop = Shop(broker, topic_prefix, tmp_path, AVRO.format(url=registry.url))
    first = registry.register("shop-value", as_text(AVRO_EVENT))
    second = registry.register("shop-value", as_text({**AVRO_EVENT, "doc": "another version"}))
    shop.send("shop", (b"k", prefixed(first, avro_event("ada")), []))
    with DaemonProcess(tmp_path, *shop.arguments, **PASSWORD) as daemon:
        daemon.until_events(1)
        registry.stop()
        shop.send("shop", (b"k", prefixed(first, avro_event("ada", 1)), []))
        daemon.until_events(2)
        shop.send("shop", (b"k", prefixed(second, avro_event("ben")), []), (b"k", b"no schema", []))
        daemon.until(lambda: "Schema Registry unavailable" in daemon.log, 30, "it is waited for")
        assert "Schema Registry unavailable" in daemon.get("/ready")[1]
        registry.start()
        daemon.until_events(4)
        daemon.until_ready()
        assert daemon.stop() == 0
    assert "s3cret" not in daemon.log
    assert shop.counts == {"ada": 2, "ben": 1}
    assert shop.letters(1) == {"not_framed": 1}


def test_a_letter_of_an_unknown_schema_is_redriven(
    embedded_broker: Any, registry: SchemaRegistry, topic_prefix: str, tmp_path: Path
):
    """When the schema is there, its letters hold all that is needed: the original bytes are decoded as the topic's are."""
    shop = Shop(embedded_broker.config, topic_prefix, tmp_path, AVRO.format(url=registry.url))
    schema = registry.register("shop-value", as_text(AVRO_EVENT))
    registry.faults.hidden = {schema}
    shop.send("shop", (b"k", prefixed(schema, avro_event("ada")), []), (b"k", b"{}", []))
    assert shop.drain(**PASSWORD)["rejected"] == 2
    registry.faults.hidden = set()
    done = shop.run("dead-letters", "redrive", **PASSWORD)
    assert (done["applied"], [kept["still"] for kept in done["kept"]]) == (1, ["not_framed"])
    assert shop.counts == {"ada": 1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"DRIFTLINE_REGISTRY__PASSWORD": "wrong"}, "does not take the credentials"),
        (
            {"DRIFTLINE_REGISTRY__URL": "http://key:s3cret@127.0.0.1:1"},
            "holds a user or a password",
        ),
    ],
)
def test_a_registry_that_refuses_ends_the_start(
    embedded_broker: Any, registry: SchemaRegistry, topic_prefix: str, tmp_path: Path, change: Any, told: str
):
    """One line says what to set, no secret is in it, and nothing was made."""
    shop = Shop(embedded_broker.config, topic_prefix, tmp_path, AVRO.format(url=registry.url))
    done = driftline("run", "--drain", *shop.arguments, "--metrics-port", "0", **{**PASSWORD, **change})
    assert done.returncode == 2 and told in done.stderr
    assert "s3cret" not in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


DEBEZIUM = """
[topics.events.orders]
topic = "shop"
action = "purchase"
[topics.events.orders.description]
envelope = "debezium"
user_id = "customer"
item_id = "sku"
timestamp = "created"
time = "us"
scenario = {constant = "shop"}
[catalogue]
envelope = "debezium"
[catalogue.map]
item_id = "sku"
title = "name"
"""


def change(op: str, after: Any, before: Any = None) -> bytes:
    return json.dumps({"before": before, "after": after, "op": op}).encode()


def connect(value: bytes) -> bytes:
    return json.dumps({"schema": {"type": "struct"}, "payload": json.loads(value)}).encode()


def test_tables_are_followed_by_their_changes(broker: BrokerConfig, topic_prefix: str, tmp_path: Path):
    """Inserted orders are purchases, changes of them are counted apart; products come, change and go."""
    shop = Shop(broker, topic_prefix, tmp_path, DEBEZIUM)
    order = {"id": 1, "customer": 7, "sku": "p1", "created": AT * 10**6}
    later = {**order, "id": 2, "created": (AT + 60) * 10**6}
    shop.send(
        "shop",
        (b'{"id": 1}', change("r", order), []),
        (b'{"id": 2}', connect(change("c", later)), []),
        (b'{"id": 2}', change("u", {**later, "sku": "p2"}, later), []),
        (b'{"id": 1}', change("d", None, order), []),
        (b'{"id": 1}', None, []),
    )
    products = [{"sku": f"p{n}", "name": f"Product {n}"} for n in range(5)]
    shop.send(
        "items",
        *[(json.dumps({"sku": row["sku"]}).encode(), change("c", row), []) for row in products],
        (b'{"sku": "p0"}', change("u", {"sku": "p0", "name": "Renamed"}, products[0]), []),
        (b'{"sku": "p2"}', change("d", None, {"sku": "p2", "name": None}), []),
        (b'{"sku": "p2"}', None, []),
        (b'"p3"', None, []),
        (b'{"schema": {}, "payload": {"sku": "p4"}}', None, []),
        (b'{"id": 1}', None, []),
    )
    done = shop.drain()
    assert (done["applied"], done["ignored"], done["rejected"]) == (2, 3, 1)
    assert shop.counts == {"7": 2}
    assert shop.items == {"p0": "Renamed", "p1": "Product 1"}
    assert shop.letters(1) == {"unreadable_key": 1}
    assert shop.drain()["events"] == 0
