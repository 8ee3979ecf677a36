"""Bytes of a fetched batch -> columns and rejects. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from streams.events.columns import Coder, EventColumns
from streams.events.event import (
    MAX_FUTURE_S,
    Event,
    Reject,
)
from streams.events.json_errors import undecodable
from streams.events.validate import RawEvents, assemble
from transfer.arrays import F64, I64

# msgspec, not orjson: 2.3 times as many events a second into the same columns (benchmarks/decode.py), since it
# checks the types itself and builds no dictionary of fields that are not asked for.
_DECODE_EVENT = msgspec.json.Decoder(Event).decode

CHUNK = 512
"""Records whose structs exist at once: few enough to stay in a core's cache while their fields are read out."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The events of a batch that can be applied, and the records that can't, by position."""

    columns: EventColumns
    rejects: list[Reject]


def decode_events(
    values: Sequence[bytes | None],
    *,
    offsets: Sequence[int] | I64,
    action: int,
    source: str,
    now: float | F64,
    max_future_s: float = MAX_FUTURE_S,
) -> Decoded:
    """Decode the records of one partition. Whatever one record holds, the others are decoded.

    Args:
        values: the records, JSON objects in UTF-8.
        offsets: (N,) of each record.
        action: code of `transfer.config.ACTIONS`; the topic's.
        source: name of the watermark that the offsets belong to.
        now: unix seconds against which "far in the future" is judged, for all records or (N,) for each.
        max_future_s: how far ahead of `now` an event may be.
    """
    raw, rejects = _raw_events(values, np.asarray(offsets, np.int64), action)
    if rejects and isinstance(now, np.ndarray):
        now = np.delete(now, [reject.position for reject in rejects])
    columns, invalid = assemble(raw, source=source, now=now, max_future_s=max_future_s)
    if invalid:
        kept = np.delete(np.arange(len(values)), [reject.position for reject in rejects]).tolist()
        rejects += [replace(found, position=kept[found.position]) for found in invalid]
        rejects.sort(key=lambda reject: reject.position)
    return Decoded(columns, rejects)


def _raw_events(values: Sequence[bytes | None], offset: I64, action: int) -> tuple[RawEvents, list[Reject]]:
    """The fields of those records that can be decoded, in order, and a reject for each other record."""
    rejects: list[Reject] = []
    user, item, scenario, text = Coder(), Coder(), Coder(), Coder()
    times: list[float] = []
    event_ids: list[str | None] = []
    for start in range(0, len(values), CHUNK):
        events = _decoded(values[start : start + CHUNK], start, rejects)
        user.add([event.user_id for event in events])
        item.add_optional([event.item_id for event in events])
        scenario.add([event.scenario for event in events])
        text.add_optional([event.text for event in events])
        times += [event.timestamp for event in events]
        event_ids += [event.event_id for event in events]
    if rejects:
        offset = np.delete(offset, [reject.position for reject in rejects])
    (user_code, users), (item_code, items) = user.result(), item.result()
    (scenario_code, scenarios), (text_code, texts) = scenario.result(), text.result()
    raw = RawEvents(
        user=user_code,
        users=users,
        item=item_code,
        items=items,
        scenario=scenario_code,
        scenarios=scenarios,
        text=text_code,
        texts=texts,
        time=np.array(times, np.float64),
        action=np.full(len(times), action, np.uint8),
        offset=offset,
        event_ids=event_ids,
    )
    return raw, rejects


def _decoded(values: Sequence[bytes | None], start: int, rejects: list[Reject]) -> list[Event]:
    """The structs of those records that have one; each other record is added to `rejects`, positions from `start`.

    Each record on its own: records joined into one document would decode a little faster, but then one that is not
    closed could swallow its neighbour. `map` keeps the call out of the interpreter; it has taken the record that
    raises, and continues with the next one.
    """
    events: list[Event] = []
    append = events.append
    first, start = start, start - len(rejects)
    decoding: Iterator[Event] = map(_DECODE_EVENT, values)  # type: ignore[arg-type]  # None: a TypeError
    while True:
        try:
            for event in decoding:
                append(event)
            return events
        except Exception as error:
            position = start + len(events) + len(rejects)
            rejects.append(Reject(position, *undecodable(error, values[position - first])))
