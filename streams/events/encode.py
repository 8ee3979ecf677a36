"""Columns -> the records of a topic: the inverse of `streams.events.decode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from streams.events.columns import EventColumns
from streams.events.event import Event, ItemRow
from transfer.arrays import F64

_encode: Final = msgspec.json.Encoder().encode

Record = tuple[bytes, bytes]
"""Key and value."""


def event_record(event: Event) -> Record:
    """Key = user id, so that a user's events stay in one partition number; value = JSON.

    >>> event_record(Event("u1", 1.5, "books", item_id="b1"))
    (b'u1', b'{"user_id":"u1","timestamp":1.5,"scenario":"books","item_id":"b1"}')
    """
    return event.user_id.encode(), _encode(event)


def item_record(row: ItemRow) -> Record:
    """Key = item id, so that a compacted topic keeps the latest; value = JSON, attributes beside the other fields.

    >>> item_record(ItemRow("i1", "Rake", attributes={"price": 9}))
    (b'i1', b'{"item_id":"i1","title":"Rake","price":9}')
    """
    fields = msgspec.structs.asdict(row)
    attributes = fields.pop("attributes")
    return row.item_id.encode(), _encode({name: text for name, text in fields.items() if text} | attributes)


def events_of(
    columns: EventColumns,
    event_ids: Sequence[str | None] | None = None,
    measures: Mapping[str, F64] = MappingProxyType({}),
) -> list[Event]:
    """The B events as structs. event_ids (B,): the columns hold only their hashes; measures: amounts (B,), NaN for none."""
    amounts = [
        {name: float(values[row]) for name, values in measures.items() if values[row] == values[row]}
        for row in range(len(columns) if measures else 0)
    ] or [{}] * len(columns)
    # One None more at each end of a table, so that the code -1 finds it.
    items: list[str | None] = [*columns.items, None]
    texts: list[str | None] = [*columns.texts, None]
    ids = event_ids if event_ids is not None else [None] * len(columns)
    return [
        Event(
            columns.users[user],
            time,
            columns.scenarios[scenario],
            items[item],
            texts[text],
            event_id,
            **amount,
        )
        for user, time, scenario, item, text, event_id, amount in zip(
            columns.user.tolist(),
            columns.time.tolist(),
            columns.scenario.tolist(),
            columns.item.tolist(),
            columns.text.tolist(),
            ids,
            amounts,
            strict=True,
        )
    ]
