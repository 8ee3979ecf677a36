"""What an envelope costs: the same events bare and wrapped, decoded into the same columns, in one run.

Prints one JSON line; `ratio` is events/s of Debezium JSON over bare JSON, `envelopes` has the others. An envelope is larger
than its event, mostly several times: `bytes_per_event` says how much.

    python benchmarks/envelopes.py --events 50000
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import fastavro
import numpy as np

from streams.events.columns import EventColumns
from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from streams.wire.avro import avro_decoder
from streams.wire.event_decoder import EventDecoder
from streams.wire.record_batch import RecordBatch

NOW = 1_800_000_000.0
BATCH = 4000
FIELDS = ("user_id", "timestamp", "scenario", "item_id", "event_id")
AVRO = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": name, "type": "double" if name == "timestamp" else "string"} for name in FIELDS],
}


class OneSchema:
    """In place of a registry: one schema, under any id."""

    def __init__(self) -> None:
        self._decoder = avro_decoder(json.dumps(AVRO), [])

    def fetch(self, wanted: Any) -> Any:
        """The schema, for each id."""
        return dict.fromkeys(wanted, ("AVRO", self._decoder))


@dataclass(frozen=True)
class Case:
    """Records in one form, and the settings by which they are read."""

    name: str
    wrap: Callable[[dict[str, Any]], Any]
    settings: dict[str, Any]

    def records(self, events: list[dict[str, Any]]) -> list[bytes]:
        """The events in this form."""
        wrapped = [self.wrap(event) for event in events]
        return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in wrapped]

    def decoder(self) -> EventDecoder:
        """Made as a daemon makes it."""
        schemas: Any = OneSchema()
        return EventDecoder(EventDescription(EventsConfig(**self.settings)), "click", schemas)


def debezium(event: dict[str, Any]) -> dict[str, Any]:
    """As Debezium's connector for PostgreSQL writes it."""
    source = {
        "version": "3.3",
        "connector": "postgresql",
        "name": "shop",
        "ts_ms": 1_793_527_200_000,
        "snapshot": "false",
    }
    place = {
        "db": "shop",
        "sequence": '["1","2"]',
        "schema": "public",
        "table": "events",
        "txId": 555,
        "lsn": 24023128,
    }
    return {
        "before": None,
        "after": event,
        "source": source | place,
        "op": "c",
        "ts_ms": 1,
        "transaction": None,
    }


def connect(value: dict[str, Any]) -> dict[str, Any]:
    """With Kafka Connect's schema in front."""
    fields = [{"type": "string", "optional": False, "field": name} for name in FIELDS]
    return {"schema": {"type": "struct", "fields": fields, "name": "shop.events"}, "payload": value}


def segment(event: dict[str, Any]) -> dict[str, Any]:
    """A `track` call."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(event["timestamp"]))
    context = {
        "ip": "203.0.113.7",
        "library": {"name": "analytics.js", "version": "2.11.1"},
        "page": {"path": "/x"},
    }
    properties = {"product_id": event["item_id"], "department": event["scenario"]}
    return {
        "anonymousId": "a-1",
        "context": context,
        "event": "Product Viewed",
        "messageId": event["event_id"],
        "properties": properties,
        "timestamp": seconds,
        "type": "track",
        "userId": event["user_id"],
    }


def cloudevent(event: dict[str, Any]) -> dict[str, Any]:
    """In structured mode."""
    outer = {"specversion": "1.0", "type": "click", "source": "/web", "id": event["event_id"]}
    return {**outer, "time": "2026-11-01T10:00:00Z", "data": event}


def avro(event: dict[str, Any]) -> bytes:
    """In the wire format of a registry."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, AVRO_PARSED, event)
    return b"\x00\x00\x00\x00\x07" + out.getvalue()


AVRO_PARSED = fastavro.parse_schema(AVRO)
CASES = [
    Case("bare", lambda event: event, {}),
    Case("debezium", debezium, {"envelope": "debezium"}),
    Case("debezium in connect", lambda event: connect(debezium(event)), {"envelope": "debezium"}),
    Case("connect", connect, {"envelope": "connect"}),
    Case("cloudevents", cloudevent, {"envelope": "cloudevents"}),
    Case("segment", segment, {"envelope": "segment", "scenario": "properties.department"}),
    Case("snowplow", lambda event: {"schema": "iglu:a/b/1", "data": [event]}, {"envelope": "snowplow"}),
    Case("avro", avro, {"format": "avro"}),
]


def events_of_a_shop(count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Events with ids."""
    return [
        {
            "user_id": f"user-{int(rng.paretovariate(0.6)) % 50_000}",
            "timestamp": 1_700_000_000.0 + number,
            "scenario": f"department {rng.randrange(30)}",
            "item_id": f"sku-{int(rng.paretovariate(0.5)) % 100_000}",
            "event_id": f"ev-{number:012d}",
        }
        for number in range(count)
    ]


def decoded(decoder: EventDecoder, values: list[bytes]) -> list[EventColumns]:
    """In batches of the daemon's size."""
    return [
        decoder.decode(
            RecordBatch.lines(values[start : start + BATCH]),
            offsets=np.arange(start, min(start + BATCH, len(values))),
            source="c/clicks/0",
            now=NOW,
        ).columns
        for start in range(0, len(values), BATCH)
    ]


def main() -> None:
    """Measure all forms, interleaved."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    events = events_of_a_shop(options.events, random.Random(options.seed))
    values = {case.name: case.records(events) for case in CASES}
    decoders = {case.name: case.decoder() for case in CASES}
    bare = decoded(decoders["bare"], values["bare"])
    timings: dict[str, list[float]] = {case.name: [] for case in CASES}
    for case in CASES:
        columns = decoded(decoders[case.name], values[case.name])
        assert all((one.key == other.key).all() for one, other in zip(columns, bare, strict=True)), case.name
    for _ in range(options.repeats):
        for case in CASES:
            began = time.perf_counter()
            decoded(decoders[case.name], values[case.name])
            timings[case.name].append(time.perf_counter() - began)
    rates = {name: round(options.events / statistics.median(found)) for name, found in timings.items()}
    found = {
        name: {
            "events_per_s": rate,
            "ratio": round(rate / rates["bare"], 2),
            "bytes_per_event": round(sum(map(len, values[name])) / options.events, 1),
        }
        for name, rate in rates.items()
    }
    print(
        json.dumps(
            {
                "benchmark": "envelopes",
                "device": f"{platform.machine()} cpu, one thread",
                "versions": {name: version(name) for name in ("msgspec", "fastavro", "numpy")}
                | {"python": platform.python_version()},
                "events": options.events,
                "events_per_s": rates["debezium"],
                "baseline": "bare JSON",
                "baseline_events_per_s": rates["bare"],
                "ratio": round(rates["debezium"] / rates["bare"], 2),
                "envelopes": found,
            }
        )
    )


if __name__ == "__main__":
    main()
