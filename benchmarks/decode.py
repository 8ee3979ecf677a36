"""Which JSON decoder turns a fetched batch into columns fastest: msgspec (in use) or orjson?

Both decode the same realistic events, in batches, into equal EventColumns with the same judgements; only the
step from bytes to field values differs. Prints one JSON line; `ratio` is events/s of msgspec over orjson.

`mapped` has the rates of other descriptions over that of Driftline's own records, in the same run: paths into nested objects
with an action map and milliseconds; ids that are integers; ISO 8601 times.

    python benchmarks/decode.py --events 200000
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from streams.events.columns import EventColumns, factorise, factorise_optional
from streams.events.decode import decode_events
from streams.events.description import ANY_TIME, EventDescription
from streams.events.event import TimeLimits
from streams.events.events_config import EventsConfig
from streams.events.validate import RawEvents, assemble

Decode = Callable[[list[bytes], int], EventColumns]

NOW = 1_800_000_000.0
BATCH = 4000


def realistic_events(count: int, rng: random.Random) -> list[bytes]:
    """Compact JSON of a shop's events: ids, times, scenarios, some texts, and fields that are ignored."""
    scenarios = [f"department {n}" for n in range(30)]
    values = []
    for number in range(count):
        event: dict[str, object] = {
            "event_id": f"ev-{number:012d}",
            "user_id": f"user-{int(rng.paretovariate(0.6)) % 50_000}",
            "timestamp": 1_700_000_000 + number / 37,
            "scenario": rng.choice(scenarios),
            "item_id": f"sku-{int(rng.paretovariate(0.5)) % 100_000}",
            "session": f"{rng.getrandbits(64):016x}",
            "device": {"os": "android", "app": "7.1"},
        }
        if rng.random() < 0.3:
            event["dwell_s"] = round(rng.expovariate(0.1), 2)
        if rng.random() < 0.03:
            event["text"] = f"looking for item number {rng.randrange(1000)} in any colour"
        values.append(json.dumps(event, separators=(",", ":")).encode())
    return values


def with_msgspec(values: list[bytes], offset: int) -> EventColumns:
    """The product's decoder."""
    decoded = decode_events(
        values, offsets=np.arange(offset, offset + len(values)), action=1, source="c/clicks/0", now=NOW
    )
    return decoded.columns


def mapped_decoders(values: list[bytes]) -> dict[str, tuple[Decode, list[bytes]]]:
    """Other shapes of the same events, and the decoders that their descriptions make."""
    actions = {"view": "browse", "cart": "click", "order": "purchase", "*": "ignore"}
    names = list(actions)[:3]
    nested, numbers, iso = [], [], []
    for number, value in enumerate(values):
        event = json.loads(value)
        text = event.pop("text", None)
        whole = {
            "id": event["event_id"],
            "context": {"customer": {"id": event["user_id"]}, "device": event["device"]},
            "ts": int(event["timestamp"] * 1000),
            "department": event["scenario"],
            "product": {"sku": event["item_id"], "price": 9.5},
            "event": names[number % 3],
            "session": event["session"],
        }
        nested.append(_encoded(whole))
        ids = {"user_id": int(event["user_id"][5:]), "item_id": int(event["item_id"][4:]), "event_id": number}
        numbers.append(_encoded({**event, **ids, "text": text}))
        moment = datetime.fromtimestamp(event["timestamp"], UTC).isoformat()
        iso.append(_encoded({**event, "timestamp": moment, "text": text}))
    shop = EventsConfig(
        user_id="context.customer.id",
        timestamp="ts",
        time="ms",
        scenario="department",
        item_id="product.sku",
        event_id="id",
        action="event",
        actions=actions,
    )
    return {
        "nested, action map, ms": (_described(EventDescription(shop), None), nested),
        "integer ids": (_described(ANY_TIME, 1), numbers),
        "iso times": (_described(EventDescription(EventsConfig(time="iso")), 1), iso),
    }


def _encoded(event: dict[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _described(description: EventDescription, action: int | None) -> Decode:
    def decode(values: list[bytes], offset: int) -> EventColumns:
        found = decode_events(
            values,
            offsets=np.arange(offset, offset + len(values)),
            action=action,
            source="c/clicks/0",
            now=NOW,
            description=description,
        )
        assert not found.rejects
        return found.columns

    return decode


def with_orjson(values: list[bytes], offset: int) -> EventColumns:
    """The same with orjson: dictionaries, whose types are checked here, as msgspec checks them itself."""
    import orjson

    loads = orjson.loads
    events = []
    for value in values:
        try:
            events.append(loads(value))
        except orjson.JSONDecodeError:
            continue
    optional = ("item_id", "text", "event_id")
    for event in events:
        if type(event["user_id"]) is not str or type(event["scenario"]) is not str:
            raise TypeError("user_id and scenario are strings")
        if type(event["timestamp"]) not in (int, float):
            raise TypeError("timestamp is a number")
        for name in optional:
            field = event.get(name)
            if field is not None and type(field) is not str:
                raise TypeError(name)
    user, users = factorise([event["user_id"] for event in events])
    item, items = factorise_optional([event.get("item_id") for event in events])
    scenario, scenarios = factorise([event["scenario"] for event in events])
    text, texts = factorise_optional([event.get("text") for event in events])
    raw = RawEvents(
        user=user,
        users=users,
        item=item,
        items=items,
        scenario=scenario,
        scenarios=scenarios,
        text=text,
        texts=texts,
        time=np.array([event["timestamp"] for event in events], np.float64),
        action=np.full(len(events), 1, np.uint8),
        offset=np.arange(offset, offset + len(values)),
        event_ids=[event.get("event_id") for event in events],
    )
    return assemble(raw, source="c/clicks/0", now=NOW, limits=TimeLimits(max_future_s=86400.0))[0]


def seconds_of(decode: Decode, values: list[bytes]) -> float:
    """Of decoding all values in batches of the daemon's size."""
    began = time.perf_counter()
    for start in range(0, len(values), BATCH):
        decode(values[start : start + BATCH], start)
    return time.perf_counter() - began


def main() -> None:
    """Measure both, interleaved."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    values = realistic_events(options.events, random.Random(options.seed))
    one, other = with_msgspec(values, 0), with_orjson(values, 0)
    assert one.users == other.users and (one.key == other.key).all() and (one.item == other.item).all()
    timings: dict[str, list[float]] = {"msgspec": [], "orjson": []}
    mapped = mapped_decoders(values)
    timings |= {name: [] for name in mapped}
    for _ in range(options.repeats):
        for name, (decode, shaped) in mapped.items():
            timings[name].append(seconds_of(decode, shaped))
        timings["msgspec"].append(seconds_of(with_msgspec, values))
        timings["orjson"].append(seconds_of(with_orjson, values))
    rates = {name: round(options.events / statistics.median(found)) for name, found in timings.items()}
    print(
        json.dumps(
            {
                "benchmark": "decode",
                "device": f"{platform.machine()} cpu, one thread",
                "versions": {name: version(name) for name in ("msgspec", "orjson", "numpy")}
                | {"python": platform.python_version()},
                "events": options.events,
                "bytes_per_event": round(sum(map(len, values)) / options.events, 1),
                "events_per_s": rates["msgspec"],
                "baseline": "orjson",
                "baseline_events_per_s": rates["orjson"],
                "ratio": round(rates["msgspec"] / rates["orjson"], 2),
                "mapped": {name: round(rates[name] / rates["msgspec"], 2) for name in mapped},
            }
        )
    )


if __name__ == "__main__":
    main()
