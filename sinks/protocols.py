"""What the rest of Driftline may ask of a store, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sinks.leases import Lease
from sinks.points import ItemPoints, ItemRecord, ScoredItem, UserPoints, UserRecord
from sinks.sources import SourceInfo
from sinks.version_protocols import VersionStore
from sinks.writer import Claim


class UserStore(Protocol):
    """Users' points: state, vectors, watermarks. Any number of processes may write them; see `sinks.writer`."""

    def claim(self, user_ids: Sequence[str]) -> Claim:
        """Take users for this process, from whoever has them, then read them.

        From now on nobody else can write those that are held until somebody else claims them; so what is read is what
        to go on from, less the events that the users' marks, or their sources' progress (read after this), say are in
        there. No two threads may claim or write one user at a time.

        Raises:
            StoreUnavailable: no answer; forget what was held of these users and call again.
            PointUnreadable: a user's point can't be understood.
        """
        ...

    def write(
        self,
        points: UserPoints,
        holds: Sequence[int],
        *,
        token: int | None = None,
    ) -> NDArray[np.bool_]:
        """Write whole points; (U,) which users now hold exactly what was given.

        holds: for each user what it is held under, as its claim said: a token, or NEW. Those that were not written are
        another process's now, or were deleted, or were not new: forget them, wait a moment, claim them again.
        token: `Claim.token`, under which new users are inserted: their hold from now on, where they were written.

        A point is replaced at once: state, vectors and watermarks of one write are never mixed with those of
        another. Of several rows of one user the last is written. Many points go in several requests, so that after an
        error some may be written and others not.

        Raises:
            PointRefused: before anything is written.
            StoreUnavailable: no answer, or a switch of versions is under way; forget what was held of all these users,
                and claim them again.
            StoreMoved: another version is live.
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
        """How many users there are."""
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


class Sources(Protocol):
    """Where events come from and how far each source is; see `sinks.sources` and `sinks.progress`."""

    def numbers(self, identities: Sequence[str], aliases: Mapping[str, str] = ...) -> dict[str, int]:
        """The number of each source, by which users' watermarks name it; one that is not known is registered.

        aliases: for some of the identities, the name that an earlier release knew the source by. The first identity that
        is registered with an alias has it for ever; `known` tells which has which.

        Raises:
            StoreUnavailable: call again.
        """
        ...

    def known(self) -> dict[str, SourceInfo]:
        """All sources by identity. Each letter that was redriven is one: ask `find` for those that you mean."""
        ...

    def find(self, identities: Sequence[str]) -> dict[str, SourceInfo]:
        """Those of the sources that are registered, by identity."""
        ...

    def describe(self, identity: str, about: Mapping[str, Any]) -> None:
        """Keep facts of a source, a few values as JSON knows them, in place of those that were kept.

        Raises:
            StoreUnavailable: call again.
        """
        ...

    def progress(self, numbers: Iterable[int]) -> dict[int, int]:
        """Per source the next offset (or row): all before it are in the store for good. 0 where nothing is known."""
        ...

    def advance(self, next_offsets: Mapping[int, int]) -> None:
        """Raise sources' progress, after all users of their events were acknowledged; it never falls.

        Raises:
            StoreUnavailable: no answer, or a switch of versions is under way; call again.
            StoreMoved: another version is live: the users that it speaks of may be missing there.
        """
        ...


class Leases(Protocol):
    """Places that one process at a time writes; see `sinks.leases`."""

    def take(self, kind: str) -> Lease:
        """A place of that kind for this process: one that was released, or not used for an hour, or a new one.

        Raises:
            StoreUnavailable: call again.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Let the next process have it at once; nothing if it is another's already.

        Raises:
            StoreUnavailable: it is free in an hour, then.
        """
        ...


class BlobStore(Protocol):
    """A few named blobs."""

    def get(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        ...

    def folder(self, folder: str) -> dict[str, bytes]:
        """By name all blobs directly in a folder: those named `folder/...` without a further slash."""
        ...

    def put(self, name: str, blob: bytes, lease: Lease | None = None) -> None:
        """Keep `blob` under `name`, in place of what was there.

        With a lease a blob that a later holder wrote is left alone, and the call returns only if the lease still held
        afterwards.

        Raises:
            StoreUnavailable: try again later.
            LeaseLost: another process has the lease.
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
    def sources(self) -> Sources: ...

    @property
    def leases(self) -> Leases: ...

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def versions(self) -> VersionStore: ...

    @property
    def id(self) -> str:
        """A random text that this store has and no other; "" for one of an older release, until it is written to."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        ...

    def sync(self) -> None:
        """Return when everything that was acknowledged so far survives a loss of power, too.

        For a folder its log is written to the disk, some 20 ms a call whatever was written. For a server it is nothing:
        what it acknowledges is its own to keep.
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
