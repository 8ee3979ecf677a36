"""Event columns from a few words, for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.events.columns import EventColumns
from streams.events.decode import decode_events
from streams.events.event import Event
from transfer.config import ACTIONS

NOW = 1_700_000_000.0


def event(
    user: str, item: str | None = "i1", at: float = 0.0, scenario: str = "books", **more: Any
) -> dict[str, Any]:
    """An event as a dict, `at` seconds after NOW - 1 day."""
    fields = {"user_id": user, "item_id": item, "timestamp": NOW - 86400 + at, "scenario": scenario, **more}
    return {name: value for name, value in fields.items() if value is not None}


def columns_of(
    events: Sequence[dict[str, Any] | tuple[str, str]],
    *,
    offsets: Sequence[int] | None = None,
    source: str = "test/clicks/0",
    action: str = "click",
) -> EventColumns:
    """Columns, through the real decoder; a tuple is (user, item), one second apart."""
    full = [
        entry if isinstance(entry, dict) else event(entry[0], entry[1], at=position)
        for position, entry in enumerate(events)
    ]
    decoded = decode_events(
        [json.dumps(entry).encode() for entry in full],
        offsets=list(range(len(full))) if offsets is None else offsets,
        action=ACTIONS.index(action),
        source=source,
        now=NOW,
    )
    assert not decoded.rejects
    return decoded.columns


def event_key(event: Event, action: int) -> int:
    """The key of one event, through the real decoder."""
    decoded = decode_events(
        [msgspec.json.encode(event)], offsets=[0], action=action, source="test/events/0", now=NOW
    )
    return int(decoded.columns.key[0])
