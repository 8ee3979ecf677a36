"""Catalogue records in envelopes and formats, and deletes by keys of every form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from streams.events.decode_items import DecodedItems
from streams.events.item_record import ItemDescription
from streams.wire.config import RegistryConfig
from streams.wire.item_decoder import ItemDecoder, ItemWire
from streams.wire.record_batch import RecordBatch
from streams.wire.registry import RegistryClient
from streams.wire.schemas import Schemas
from support.data.wire_records import as_text, avro_bytes, prefixed
from support.servers.schema_registry import SchemaRegistry

SPADE = {"item_id": "sku-1", "title": "Spade", "scenario": "garden", "price": 9.5}


def change(op: str, after: Any = None, before: Any = None) -> dict[str, Any]:
    return {"before": before, "after": after, "source": {}, "op": op}


def connect(payload: Any) -> dict[str, Any]:
    return {"schema": {"type": "struct"}, "payload": payload}


def decode(
    values: Sequence[Any],
    keys: Sequence[bytes | None] | None = None,
    *,
    headers: Any = None,
    fields: dict[str, str] | None = None,
    schemas: Any = None,
    **wire: Any,
) -> DecodedItems:
    sent = [json.dumps(value).encode() if isinstance(value, dict) else value for value in values]
    n = len(sent)
    batch = RecordBatch(sent, keys or [None] * n, headers or [()] * n, [0.0] * n)
    return ItemDecoder(ItemDescription(fields or {}), ItemWire(**wire), schemas).decode(batch)


def reasons(found: DecodedItems) -> dict[int, str]:
    return {reject.position: reject.reason for reject in found.rejects}


@pytest.mark.parametrize(
    ("envelope", "value"),
    [
        ("none", SPADE),
        ("connect", connect(SPADE)),
        ("debezium", change("c", SPADE)),
        ("debezium", connect(change("u", SPADE, SPADE))),
        ("cloudevents", {"specversion": "1.0", "type": "item", "id": "1", "data": SPADE}),
    ],
)
def test_an_item_is_the_same_in_any_envelope(envelope: str, value: Any):
    """Title, scenario and attributes are those of the row; what stands around it becomes no attribute."""
    (row,) = decode([value], envelope=envelope).rows
    assert (row.item_id, row.title, row.scenario, row.attributes) == (
        "sku-1",
        "Spade",
        "garden",
        {"price": 9.5},
    )


def test_a_cloud_event_in_headers_is_the_item():
    """In binary mode the value is the item."""
    headers = [[("ce_specversion", b"1.0"), ("content-type", b"application/json")]]
    (row,) = decode([SPADE], headers=headers, envelope="cloudevents").rows
    assert row.item_id == "sku-1"


def test_a_table_of_products_is_followed():
    """Snapshot, insert and update write the item, a delete and its tombstone take it away; the last word holds."""
    rows = [{**SPADE, "item_id": f"sku-{n}", "title": f"T{n}"} for n in range(5)]
    found = decode(
        [
            change("r", rows[0]),
            change("c", rows[1]),
            change("u", {**rows[0], "title": "New"}, rows[0]),
            change("d", None, {"item_id": "sku-1", "title": None}),
            None,
            connect(change("d", None, None)),
            change("m"),
            change("t"),
            {"nothing": 1},
            change("c", None),
            change("c", {"title": "no id"}),
        ],
        keys=[b'{"item_id": "sku-0"}', *[b'{"item_id": "sku-1"}'] * 4, b'{"item_id": "sku-3"}', *[None] * 5],
        envelope="debezium",
    )
    assert [(row.item_id, row.title) for row in found.rows] == [("sku-0", "New")]
    assert found.positions == [2]
    assert sorted(found.deletes) == ["sku-1", "sku-3"]
    assert reasons(found) == {
        7: "operation_refused",
        8: "missing_field",
        9: "missing_field",
        10: "missing_field",
    }


@pytest.mark.parametrize(
    "key",
    [
        b"sku-3",
        b'"sku-3"',
        b'{"item_id":"sku-3"}',
        b'{"id":"sku-3","v":2}',
        b'{"schema":{},"payload":"sku-3"}',
    ],
)
def test_a_tombstone_deletes_whatever_form_its_key_has(key: bytes):
    """Text, JSON string and JSON object are one key."""
    found = decode([None], [key])
    assert (found.deletes, found.rejects) == (["sku-3"], [])


def test_a_key_that_names_no_item_is_a_letter():
    """A tombstone that can't be understood is rejected, not counted as done."""
    found = decode([None, None, None], [b'{"a": 1, "b": 2}', b"\xff", b'{"sku": "x"}'])
    assert reasons(found) == dict.fromkeys(range(3), "unreadable_key")
    assert not found.deletes


def test_the_settings_say_which_form_keys_have():
    """text: as it stands. A path: in the object. none: tombstones mean nothing."""
    assert decode([None], [b'"sku-3"'], key="text").deletes == ['"sku-3"']
    assert decode([None], [b'{"pk": {"sku": "x"}}'], key="pk.sku").deletes == ["x"]
    found = decode([None, change("d", None, SPADE), change("d")], [b"x"] * 3, key="none", envelope="debezium")
    assert (found.deletes, reasons(found)) == (["sku-1"], {2: "unreadable_key"})


def test_a_mapped_id_is_looked_for_under_its_name():
    """Where the id is another column than the primary key, the row before the delete says it and the key does not."""
    fields = {"item_id": "sku", "title": "name"}
    row = {"id": 5, "sku": "sku-1", "name": "Spade"}
    found = decode(
        [change("c", row), change("d", None, row), change("d", None, {"id": 6})],
        [b'{"id": 5}', b'{"id": 5}', b'{"id": 6}'],
        envelope="debezium",
        fields=fields,
    )
    assert (found.deletes, reasons(found)) == (["sku-1"], {2: "unreadable_key"})


def test_items_come_in_avro_too():
    """Values and keys by the registry; what is no record of it is rejected by name."""
    with SchemaRegistry() as registry:
        row = {
            "type": "record",
            "name": "Row",
            "fields": [{"name": n, "type": "string"} for n in ("item_id", "title")],
        }
        key = {"type": "record", "name": "Key", "fields": [{"name": "item_id", "type": "string"}]}
        value_id, key_id = registry.register("v", as_text(row)), registry.register("k", as_text(key))
        schemas = Schemas(RegistryClient(RegistryConfig(url=registry.url)), 10)
        names = [prefixed(key_id, avro_bytes({"item_id": f"sku-{n}"}, key)) for n in range(3)]
        value = prefixed(value_id, avro_bytes({"item_id": "sku-0", "title": "Spade"}, row))
        found = decode([value, None, b"{}"], names, schemas=schemas, format="avro")
    assert [(row.item_id, row.title) for row in found.rows] == [("sku-0", "Spade")]
    assert (found.deletes, reasons(found)) == (["sku-1"], {2: "not_framed"})
