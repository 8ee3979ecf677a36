"""Damaged records of topics: each is an event, ignored or a reject; no neighbour suffers, and none is quoted."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given

from streams.events.decode import decode_events
from streams.events.decode_items import decode_items
from streams.events.description import EventDescription
from streams.events.event import RejectReason
from streams.events.events_config import EventsConfig
from support.data.mutated import mutated

REASONS = get_args(RejectReason)
SECRET = b"quoted-secret"
PLAIN = [
    b'{"user_id": "quoted-secret", "timestamp": 1764043200.5, "scenario": "garden", "item_id": "sku-17", "event_id": "e"}',
    b'{"user_id": 17, "timestamp": "2026-11-01 10:00:00 UTC", "scenario": 3, "text": "quoted-secret \\u00e9", "quantity": 2}',
    b'{"user_id": "u\\ud83d\\ude00", "timestamp": 1764043200000, "scenario": "s", "item_id": 1e3, "x": [[[1]]]}',
]
NESTED = [
    b'{"context": {"customer": {"id": "quoted-secret"}}, "at": 1764043200123, "lines": [{"sku": 3}], "event": "View"}',
    b'{"context": {"customer": {"id": 5}}, "at": "1764043200123", "lines": [{"sku": 17}, {}], "event": "buy", "shop": "web"}',
]
ITEMS = [
    b'{"item_id": "quoted-secret", "title": "A <b>spade</b>", "description": "d", "scenario": "garden", "price": 9.5}',
    b'{"item_id": 17, "title": null, "tags": ["a", "b"], "stock": 3, "hidden": true, "available_from": "2026-11-01"}',
]
SHOP = EventDescription(
    EventsConfig.model_validate(
        {
            "user_id": "context.customer.id",
            "timestamp": "at",
            "time": "ms",
            "item_id": "lines.0.sku",
            "scenario": {"path": "shop", "default": "web"},
            "action": "event",
            "actions": {"view": "browse", "buy": "purchase", "*": "ignore"},
        }
    )
)
GOOD = {False: PLAIN[0], True: NESTED[0]}
NOW = 1.8e9


@pytest.mark.parametrize("nested", [False, True], ids=["today's schema", "mapped"])
@given(plain=mutated(PLAIN), mapped=mutated(NESTED))
def test_a_damaged_record_harms_no_neighbour(nested: bool, plain: bytes, mapped: bytes) -> None:
    """Before it and after it an event is applied; its reason is one of ours, and says nothing of its content."""
    values = [GOOD[nested], mapped if nested else plain, GOOD[nested]]
    if nested:
        decoded = decode_events(values, offsets=[5, 6, 7], action=None, source="s", now=NOW, description=SHOP)
    else:
        decoded = decode_events(values, offsets=[5, 6, 7], action=1, source="s", now=NOW)
    assert {5, 7} <= {*decoded.columns.offset.tolist()} <= {5, 6, 7}
    assert len(decoded.columns) + len(decoded.rejects) + decoded.ignored == 3
    for reject in decoded.rejects:
        assert reject.position == 1 and reject.reason in REASONS
        assert SECRET.decode() not in reject.detail and len(reject.detail) < 500


@given(record=mutated(ITEMS), key=mutated([b"sku-1", b'"sku-1"', b'{"item_id": "sku-1"}', b""]))
def test_a_damaged_item_harms_no_neighbour(record: bytes, key: bytes) -> None:
    """Nor does a key that is damaged, of a record without a value."""
    good = b'{"item_id": "good", "title": "Good"}'
    values: list[bytes | None] = [good, record, None, good]
    decoded = decode_items(values, keys=[b"good", b"k", key, b"good"])
    assert "good" in {row.item_id for row in decoded.rows} | {*decoded.deletes}
    for reject in decoded.rejects:
        assert reject.position in (1, 2) and reject.reason in REASONS
        assert SECRET.decode() not in reject.detail and len(reject.detail) < 500
