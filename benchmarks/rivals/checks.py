"""The event's fields and their limits for the rivals, in the cheapest form there is: msgspec checks them while it parses.

Lenient where msgspec can't do better (lengths in characters, not in bytes; a white-space id passes): never more work
than Driftline's own checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import msgspec

UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Scenario = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ItemId = Annotated[str, msgspec.Meta(max_length=512)]
EventId = Annotated[str, msgspec.Meta(max_length=256)]
Timestamp = Annotated[float, msgspec.Meta(ge=0, le=time.time() + 86400)]


class Event(msgspec.Struct, frozen=True, gc=False):
    """As streams.events.event.Event, without its optional numbers."""

    user_id: UserId
    timestamp: Timestamp
    scenario: Scenario
    item_id: ItemId | None = None
    text: str | None = None
    event_id: EventId | None = None


decode: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode


def is_valid(value: bytes | None) -> bool:
    """Decode and check one record."""
    try:
        event = decode(value)  # type: ignore[arg-type]
    except Exception:
        return False
    return bool(event.item_id or event.text)
