"""The decoders of all topics: made from the settings, with one memory of schemas."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Final

import structlog

from streams.errors import MissingExtra, SettingsError
from streams.extras import extra_of
from streams.settings import Settings
from streams.topics.slot import ITEMS_SLOT, TopicSlot
from streams.wire.event_decoder import EventDecoder
from streams.wire.item_decoder import ItemDecoder
from streams.wire.registry import RegistryClient
from streams.wire.schemas import Schemas

log = structlog.get_logger(__name__)

_PACKAGES: Final = {"avro": "fastavro", "protobuf": "grpc_tools"}
"""Format that needs a registry -> what reads it."""


class RecordDecoders:
    """By slot of a topic. Thread-safe. Asks no registry before a record needs it, or `check` does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._events: dict[TopicSlot, EventDecoder] = {}
        self._items: ItemDecoder | None = None
        self._client: RegistryClient | None = None
        self._schemas: Schemas | None = None

    def events(self, slot: TopicSlot) -> EventDecoder:
        """Reads the records of topics in a slot of events.

        Raises:
            SettingsError: the slot's description, or the registry's settings, contradict themselves.
        """
        with self._lock:
            found = self._events.get(slot)
            if found is None:
                description = self._settings.description_of(slot.name)
                found = self._events[slot] = EventDecoder(description, slot.action, self._source())
            return found

    def items(self) -> ItemDecoder:
        """Reads the records of the items topic; raises as `events` does."""
        with self._lock:
            if self._items is None:
                catalogue = self._settings.catalogue
                self._items = ItemDecoder(self._settings.item_description, catalogue.wire, self._source())
            return self._items

    def is_plain(self, slot: TopicSlot) -> bool:
        """Whether a slot's events are JSON as Driftline itself writes it."""
        return slot.has_events and self.events(slot).is_plain

    def check(self) -> None:
        """Return if all slots can be read: what that takes is installed, and a registry that is needed answers.

        Raises:
            SettingsError: a description contradicts itself, a registry is needed and not set, or does not take the credentials.
            MissingExtra: a format needs a package that is not installed.
            RegistryUnavailable: call again.
        """
        layout = self._settings.topics.layout()
        slots = [*layout.named.values(), *(pattern.slot for pattern in layout.patterns)]
        needed = {self._format(slot) for slot in slots} & _PACKAGES.keys()
        for wire_format in sorted(needed):
            package = _PACKAGES[wire_format]
            if find_spec(package) is None:
                raise MissingExtra(
                    f"{wire_format} needs {package}: pip install 'driftline[{extra_of(package)}]'"
                )
        for slot in slots:
            if slot.is_items:
                self.items()
            elif slot.has_events:
                self.events(slot)
        if needed and self._client is None:
            raise SettingsError(f"{' and '.join(sorted(needed))} need a Schema Registry: set registry.url")
        if needed and self._client is not None:
            if self._settings.registry.shows_credentials:
                log.warning(
                    "the registry's password or token goes over plain HTTP: anybody on the way can read it"
                )
            self._client.check()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _format(self, slot: TopicSlot) -> str:
        if slot == ITEMS_SLOT:
            return self._settings.catalogue.format
        if not slot.has_events:
            return "json"
        return self._settings.description_of(slot.name).config.format

    def _source(self) -> Schemas | None:
        config = self._settings.registry
        if self._client is None and config.urls:
            self._client = RegistryClient(config)
            self._schemas = Schemas(self._client, config.cached_schemas)
        return self._schemas
