"""What a store asks of the engine that holds its collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sinks.collection import Collection
from sinks.layout import CollectionSpec, FoundCollection

REPLAY_FIRST = "run `driftline items` or `driftline replay` first"


class Engine(Protocol):
    """Where collections live: a folder or a server."""

    @property
    def location(self) -> str:
        """For messages; without secrets."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the collections open."""
        ...

    def open(self, spec: CollectionSpec) -> tuple[Collection, FoundCollection] | None:
        """The collection and how it looks, None if there is none."""
        ...

    def create(self, spec: CollectionSpec) -> Collection:
        """Create the collection, or open it if another process was faster."""
        ...

    def index(self, spec: CollectionSpec) -> None:
        """Make the payload indexes that the collection lacks."""
        ...

    def drop(self, spec: CollectionSpec) -> None:
        """Delete the collection with all that is in it; an absent one is no error."""
        ...

    def expose(self, aliases: Mapping[str, str]) -> None:
        """Let each alias lead to its collection, all at once, where others can search by name."""
        ...

    def finished(self) -> None:
        """The store is complete: remember that, where that is the engine's to remember."""
        ...

    def sync(self) -> None:
        """Put everything that was written on the disk; see `sinks.protocols.Store.sync`."""
        ...

    def check(self) -> None:
        """Whether the engine answers."""
        ...

    def optimize(self) -> None:
        """Tidy up; see `sinks.protocols.Store.optimize`."""
        ...

    def rewrite(self, spec: CollectionSpec) -> bool:
        """Let nothing stay of what was overwritten or deleted; False: only the server itself can do that."""
        ...

    @property
    def new(self) -> bool:
        """Whether there was no store when it was opened, and no other process can have it: what is made may be removed."""
        ...

    def close(self, remove: bool = False) -> None:
        """Flush and close; a second call does nothing. remove: delete a `new` store."""
        ...
