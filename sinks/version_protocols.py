"""What may be asked of a store's versions; see `sinks.versions` for what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from sinks.point_stores import ItemStore, UserStore
from sinks.versions import Version, Versions


class VersionDraft(Protocol):
    """A version that is being filled beside the live one: users are claimed and written there as anywhere.

    A write of users raises `FillerReplaced` when another run has begun to fill the version too.
    """

    @property
    def version(self) -> Version: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def items(self) -> ItemStore: ...


class VersionSwitch(Protocol):
    """A store whose writers wait."""

    def renew(self) -> None:
        """Say that the switch is still under way; call it every few seconds.

        Raises:
            FreezeLost: writers continued; what they wrote has to be copied in a switch of its own.
        """
        ...

    def activate(self, name: str) -> None:
        """Make the version live, with the progress that sources have now: writers of the old one are told, aliases lead
        to it.

        Raises:
            FreezeLost: as `renew`; nothing was switched.
        """
        ...


class VersionStore(Protocol):
    """The versions of users and items that a store has; one of them is live, and one is open."""

    @property
    def opened(self) -> Version:
        """The version that is open."""
        ...

    def read(self) -> Versions:
        """All versions and the live one, as of now."""
        ...

    def describe(self, model: str, settings: str) -> None:
        """Say which model makes the vectors of the version that is open, where that was not known."""
        ...

    def beside(self) -> Iterator[UserStore]:
        """The users of every other version that is there, live or not."""
        ...

    def begin(self, version: Version) -> VersionDraft:
        """A version beside the live one, to be filled. One that was begun before continues as it is.

        Raises:
            StoreMismatch: the name is taken by a version of another model.
            StoreError: it is live.
        """
        ...

    def switching(self) -> AbstractContextManager[VersionSwitch]:
        """Keep all writers waiting, for the last changes to be copied and the version to be switched.

        Raises:
            StoreUnavailable: another process is switching.
        """
        ...

    def drop(self, name: str) -> None:
        """Forget a version and delete its collections; a missing one is no error.

        Raises:
            StoreError: it is live.
        """
        ...

    def expose_live(self) -> None:
        """Let a server's aliases lead to the live version; they may not after a switch was cut off."""
        ...
