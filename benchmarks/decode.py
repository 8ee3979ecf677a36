"""Which JSON decoder turns a fetched batch into columns fastest: msgspec (in use) or orjson?

Both decode the same realistic events, in batches, into equal EventColumns with the same judgements; only the
step from bytes to field values differs. Prints one JSON line; `ratio` is events/s of msgspec over orjson.

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
from importlib.metadata import version

import numpy as np

from streams.events.columns import EventColumns, factorise, factorise_optional
from streams.events.decode import decode_events
from streams.events.event import TimeLimits
from streams.events.validate import RawEvents, assemble

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


def seconds_of(decode: Callable[[list[bytes], int], EventColumns], values: list[bytes]) -> float:
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
    for _ in range(options.repeats):
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
            }
        )
    )


if __name__ == "__main__":
    main()
