"""What doctor proposes for a topic reads that topic: the envelope is named, and paths begin inside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from streams.events.proposal import likely_actions
from streams.wire.event_decoder import EventDecoder
from streams.wire.proposal import propose_for_records
from streams.wire.record_batch import RecordBatch
from transfer.config import ACTIONS

NOW = 1_793_600_000.0
T = 1_793_527_200
ROW = {"customer_id": 7, "sku": "p1", "kind": "view", "category": "toys", "created_at": T * 1_000_000}
CHANGE = {"before": None, "after": ROW, "op": "c", "source": {"table": "events"}, "ts_ms": T * 1000}
SEGMENT = {
    "type": "track",
    "userId": "ada",
    "messageId": "m1",
    "timestamp": "2026-11-01T10:00:00Z",
    "event": "Product Viewed",
    "properties": {"product_id": 5, "category": "toys"},
}
ENVELOPED: dict[str, list[Any]] = {
    "debezium": [CHANGE, {"schema": {"type": "struct"}, "payload": CHANGE}],
    "connect": [{"schema": {"type": "struct", "fields": []}, "payload": {**ROW, "event": "view"}}],
    "segment": [SEGMENT],
    "snowplow": [{"schema": "iglu:com.shop/a/jsonschema/1-0-0", "data": one} for one in (ROW, [ROW])],
    "cloudevents": [{"specversion": "1.0", "type": "view", "source": "/web", "id": "1", "data": ROW}],
}


@pytest.mark.parametrize("envelope", ENVELOPED)
def test_a_proposal_reads_the_records_that_it_was_made_of(envelope: str) -> None:
    """Of a topic whose records stand in an envelope the proposal names it, and by the proposal its records are events."""
    records = ENVELOPED[envelope]
    if envelope != "segment":
        records = json.loads(json.dumps(records).replace('"kind"', '"action"'))
    values = [json.dumps(record).encode() for record in records]
    proposed = propose_for_records(values, EventsConfig(), ACTIONS, NOW)
    assert proposed.get("envelope") == envelope
    decoded = _decoded(values, EventsConfig.model_validate(proposed))
    assert not decoded.rejects
    assert len(decoded.columns) == len(values)


def test_a_proposal_inside_an_envelope_that_is_set() -> None:
    """Where the settings name the envelope, the paths that are proposed begin in it, and it is not named again."""
    config = EventsConfig(envelope="debezium")
    proposed = propose_for_records([json.dumps(CHANGE).encode()], config, ACTIONS, NOW)
    assert proposed["user_id"] == "customer_id"
    assert proposed["time"] == "us"
    assert "envelope" not in proposed


def test_bare_records_are_proposed_no_envelope() -> None:
    """Records of which only few look enveloped are read as they stand."""
    values = [json.dumps(each).encode() for each in (ROW, ROW, CHANGE)]
    assert "envelope" not in propose_for_records(values, EventsConfig(), ACTIONS, NOW)


def test_an_action_is_proposed_once_however_it_is_spelled() -> None:
    """The map takes upper and lower case for one, so a proposal names an action once."""
    names = ["view", "VIEW", " View ", "order"]
    assert likely_actions(names, {}, ACTIONS) == {"view": "browse", "order": "purchase"}


def _decoded(values: list[bytes], config: EventsConfig) -> Any:
    decoder = EventDecoder(EventDescription(config, ACTIONS), None)
    n = len(values)
    batch = RecordBatch(values, [None] * n, [()] * n, [T * 1000.0] * n, "topic")
    return decoder.decode(batch, offsets=range(len(values)), source="", now=NOW)
