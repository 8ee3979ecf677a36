"""What one or more topics hold: events, of one action or of the action that each names; catalogue records; consents; or what
users declare of themselves."""

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
    is_consents: bool = False
    """its records are consents of users who were forgotten, no events"""
    is_profiles: bool = False
    """its records are what users declare of themselves, no events"""

    @property
    def has_events(self) -> bool:
        """Whether its records are events."""
        return not (self.is_items or self.is_consents or self.is_profiles)


ITEMS_SLOT = TopicSlot("items", is_items=True)
CONSENTS_SLOT = TopicSlot("consents", is_consents=True)
PROFILES_SLOT = TopicSlot("profiles", is_profiles=True)
