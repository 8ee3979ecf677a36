"""Where events of each action are written, and in which form: the inverse of what a slot reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.events.encode import Record, event_record
from streams.events.event import Event


@dataclass(frozen=True, slots=True)
class Outlet:
    """A topic, and how an event becomes a record of it."""

    topic: str
    encode: Callable[[Event], Record] = event_record


Outlets = Mapping[str, Outlet]
"""By action."""


def plain_outlets(topics: Mapping[str, str]) -> dict[str, Outlet]:
    """A topic an action, with records in Driftline's own form. topics: action -> full name."""
    return {action: Outlet(topic) for action, topic in topics.items()}
