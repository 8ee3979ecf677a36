"""Files of records in envelopes: the same lines give the same events by file and by topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.events.description import EventDescription
from streams.events.encode import events_of
from streams.events.events_config import EventsConfig
from streams.wire.event_decoder import EventDecoder
from streams.wire.record_batch import RecordBatch

NOW = 1_793_600_000.0
AT = 1_793_527_200
CLICK = {"constant": "click"}


def row(n: int) -> dict[str, Any]:
    return {"user_id": f"u{n % 3}", "timestamp": AT + n, "scenario": "shop", "item_id": f"i{n}"}


def change(n: int) -> dict[str, Any]:
    value = {"before": None, "after": row(n), "op": "crudm"[n % 5], "source": {"table": "events"}}
    return {"schema": {}, "payload": value} if n % 2 else value


def track(n: int) -> dict[str, Any]:
    return {
        "type": "track" if n % 4 else "page",
        "event": "click",
        "userId": f"u{n}" if n % 3 else None,
        "anonymousId": f"a{n}",
        "timestamp": f"2026-11-01T10:00:{n:02}.000Z",
        "messageId": f"m{n}",
        "properties": {"product_id": f"i{n}"},
    }


def cloudevent(n: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "click",
        "id": f"e{n}",
        "time": "2026-11-01T10:00:00Z",
        "data": row(n),
    }


CASES = {
    "debezium": (change, {"action": CLICK, "scenario": "@envelope.source.table"}),
    "connect": (lambda n: {"schema": {}, "payload": row(n)}, {"action": CLICK}),
    "cloudevents": (cloudevent, {}),
    "segment": (track, {"scenario": {"constant": "shop"}}),
    "snowplow": (lambda n: {"data": [row(n)] * (1 + n % 7 // 6)}, {"action": CLICK}),
}


@pytest.mark.parametrize("envelope", CASES)
def test_lines_give_the_events_that_a_topic_gives(envelope: str, tmp_path: Path):
    """Events, rejects and what is ignored are the same, number by number, whichever way the lines come."""
    make, settings = CASES[envelope]
    lines = [json.dumps(make(n)).encode() for n in range(40)] + [b"{}", b'{"after": 1}']
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines))
    description = EventDescription(EventsConfig.model_validate({"envelope": envelope, **settings}))
    batches = list(open_logs([path], description, now=NOW, batch_rows=16))
    topic = EventDecoder(description, None).decode(
        RecordBatch.lines(lines), offsets=range(len(lines)), source="s", now=NOW
    )
    assert [event for batch in batches for event in events_of(batch.columns)] == events_of(topic.columns)
    keys = np.concatenate([batch.columns.key for batch in batches])
    assert (keys == topic.columns.key).all() and len(keys)
    assert sum(len(batch.rejects) for batch in batches) == len(topic.rejects)
    assert sum(batch.ignored for batch in batches) == topic.ignored


def test_a_format_of_topics_is_none_of_files(tmp_path: Path):
    """Settings for an Avro topic read a JSON-lines export of it by the same fields."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in range(5)))
    description = EventDescription(EventsConfig.model_validate({"format": "avro", "action": CLICK}))
    assert sum(len(batch.columns) for batch in open_logs([path], description, now=NOW)) == 5


def test_columns_have_no_envelope(tmp_path: Path):
    """A table export of the rows is read by the paths inside; what stands around them in a topic is refused by name."""
    path = tmp_path / "events.csv"
    path.write_text(f"user_id,timestamp,scenario,item_id\nada,{AT},shop,i1\n")
    settings = {"envelope": "debezium", "action": CLICK}
    description = EventDescription(EventsConfig.model_validate(settings))
    (batch,) = open_logs([path], description, now=NOW)
    assert [event.user_id for event in events_of(batch.columns)] == ["ada"]
    outside = EventDescription(
        EventsConfig.model_validate({**settings, "scenario": "@envelope.source.table"})
    )
    with pytest.raises(LogError, match="about an envelope"):
        open_logs([path], outside, now=NOW)
