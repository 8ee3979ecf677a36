"""What the rest of Driftline may ask of a store, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sinks.fence import Fence
from sinks.points import ItemPoints, ItemRecord, ScoredItem, UserPoints, UserRecord
from sinks.versions import Version, Versions


class UserStore(Protocol):
    """Users' points: state, vectors, watermarks."""

    def write(
        self,
        points: UserPoints,
        fence: Fence | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Write whole points; returns only after the engine acknowledged all of them.

        A point is replaced at once: state, vectors and watermarks of one write are never mixed with those of
        another. Many points go in several requests, so that after an error some may be written and others
        not: write them all again.

        With a `fence` it returns only if the fence still held when all of that had happened. Without one, points
        are written whatever token they carry, and carry none afterwards: whoever writes so must be alone, such as
        a replay while no daemon runs.

        `before` is called right before each request, and may raise to stop.

        Raises:
            PointRefused: before anything is written.
            StoreUnavailable: try again later.
            FenceRefused: the lane has been taken by another worker.
        """
        ...

    def check(self, points: UserPoints) -> None:
        """Whether the points may be written; writes nothing.

        Raises:
            PointRefused: as `write` would.
        """
        ...

    def read(self, user_ids: Sequence[str], with_vectors: bool = False) -> list[UserRecord | None]:
        """The users in the order of `user_ids`; None for those who are not there."""
        ...

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[UserRecord]]:
        """All users, at most `batch` at a time, in a stable order; each user once unless points move."""
        ...

    def count(self) -> int:
        """How many users there are, within the number of lanes."""
        ...

    def delete(self, user_ids: Sequence[str]) -> None:
        """Remove users; absent ones are no error."""
        ...


class ItemStore(Protocol):
    """Items' points: content vector, title, scenario. An item is known by its key (`item_key`)."""

    def write(self, points: ItemPoints) -> None:
        """Write whole points; as `UserStore.write`."""
        ...

    def add(self, points: ItemPoints) -> None:
        """Write placeholders: items that are not there, never over what a catalogue wrote."""
        ...

    def read(self, keys: Sequence[int], with_vectors: bool = False) -> list[ItemRecord | None]:
        """The items in the order of `keys`; None for those that are not there."""
        ...

    def contents(self, fingerprints: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Per content fingerprint that any item has, the (D,) vector of such an item."""
        ...

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        scenario: str | None = None,
        exclude: Iterable[int] = (),
    ) -> list[ScoredItem]:
        """The up to `k` items nearest to `vector` (D,), best first, without the keys in `exclude`."""
        ...

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[ItemRecord]]:
        """All items, at most `batch` at a time, in a stable order."""
        ...

    def delete(self, keys: Sequence[int]) -> None:
        """Remove items; keys that are not there are no error."""
        ...

    def count(self) -> int:
        """How many items there are, exactly."""
        ...


class VersionDraft(Protocol):
    """A version that is being filled beside the live one. What is written to it asks for no confirmation."""

    @property
    def version(self) -> Version: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def items(self) -> ItemStore: ...

    @property
    def fence(self) -> Fence | None:
        """What to write its users under: refused once somebody else fills the version too."""
        ...


class VersionSwitch(Protocol):
    """A store whose writers wait."""

    def renew(self) -> None:
        """Say that the switch is still under way; call it every few seconds.

        Raises:
            FreezeLost: writers went on; what they wrote has to be copied in a switch of its own.
        """
        ...

    def activate(self, name: str) -> None:
        """Make the version live: writers of the old one are told, aliases lead to it.

        Raises:
            FreezeLost: as `renew`; nothing was switched.
        """
        ...


class Store(Protocol):
    """A store of users, items and a few named blobs. All calls are synchronous and thread-safe.

    Users and items are of one version, the live one when the store was opened, and stay that. A write that returns is
    part of whatever version is live later; after a switch it raises `StoreMoved`, and the store has to be opened anew.
    """

    @property
    def users(self) -> UserStore: ...

    @property
    def items(self) -> ItemStore: ...

    @property
    def version(self) -> Version:
        """The version that is open."""
        ...

    def versions(self) -> Versions:
        """All versions and the live one, as of now."""
        ...

    def describe(self, model: str, settings: str) -> None:
        """Say which model makes the vectors of the version that is open, where that was not known."""
        ...

    def begin_version(self, version: Version) -> VersionDraft:
        """A version beside the live one, to be filled. One that was begun before is gone on with, as it is.

        Raises:
            StoreMismatch: the name is taken by a version of another model.
            StoreError: it is live.
        """
        ...

    def switching(self) -> AbstractContextManager[VersionSwitch]:
        """Keep all writers waiting, for the last changes to be copied and the version to be switched.

        Raises:
            StoreUnavailable: somebody else is switching.
        """
        ...

    def drop_version(self, name: str) -> None:
        """Forget a version and delete its collections; one that is not there is no error.

        Raises:
            StoreError: it is live.
        """
        ...

    def expose_live(self) -> None:
        """Let a server's aliases lead to the live version; they may not after a switch was cut off."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        ...

    def take_fences(self, lanes: Sequence[int]) -> dict[int, Fence] | None:
        """Take lanes, from whoever has them: a write under an earlier fence of theirs is refused from now on.

        None where no fence is needed, because the store is held by this process alone. Read the lanes' users
        anew after taking; see `sinks.fence`.

        Raises:
            StoreUnavailable: try again, with all lanes.
        """
        ...

    def get_blob(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        ...

    def get_blobs(self, folder: str) -> dict[str, bytes]:
        """By name all blobs directly in a folder: those named `folder/...` without a further slash."""
        ...

    def put_blob(self, name: str, blob: bytes, fence: Fence | None = None) -> None:
        """Keep `blob` under `name`, in place of what was there.

        With a `fence` a blob that was written under a later one is left alone, and the call returns only if the fence
        still held afterwards.

        Raises:
            StoreUnavailable: try again later.
            FenceRefused: the fence's lane has been taken by another worker.
        """
        ...

    def check(self) -> None:
        """Whether the store answers.

        Raises:
            StoreUnavailable: it does not.
        """
        ...

    def optimize(self) -> None:
        """Let an embedded engine tidy up; a server does so by itself.

        It may stop all threads of the process for its time, so call it when idle: after a bulk load, before
        closing.
        """
        ...

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
