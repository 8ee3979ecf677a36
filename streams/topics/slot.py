"""What one or more topics hold: events, of one action or of the action that each names, or catalogue records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicSlot:
    """A place in the layout of topics. What comes by its topics is read in one way.

    name: as the settings name it. action: of all its events; None where each event names its own.
    """

    name: str
    action: str | None = None
    is_items: bool = False
    """its records are rows of the catalogue, no events"""


ITEMS_SLOT = TopicSlot("items", is_items=True)
