"""What the rest of Driftline may ask of a store, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from sinks.actions import StoredAction
from sinks.leases import Lease
from sinks.point_stores import ItemStore, UserStore
from sinks.sources import SourceInfo
from sinks.version_protocols import VersionStore


class Sources(Protocol):
    """Where events come from and how far each source is; see `sinks.sources` and `sinks.progress`."""

    def numbers(self, identities: Sequence[str], aliases: Mapping[str, str] = ...) -> dict[str, int]:
        """The number of each source, by which users' watermarks name it; one that is not known is registered.

        aliases: for some of the identities, the name that an earlier release knew the source by. The first identity that
        is registered with an alias keeps it; `known` tells which has which.

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


class Actions(Protocol):
    """The actions of the store beside the three that are always there; see `sinks.actions`."""

    def known(self) -> list[StoredAction]:
        """All, in order of codes."""
        ...

    def register(self, wanted: Mapping[str, float]) -> list[StoredAction]:
        """Give names that are new a code each, whatever other processes do at the time, and set weights; all, as `known`.

        Raises:
            ActionsDiffer: an action that events were counted with has another weight, one is there in another spelling,
                or there are too many; nothing was changed.
            StoreUnavailable: call again.
        """
        ...

    def use(self, weights: Mapping[str, float]) -> None:
        """Events of these actions are about to be written with these weights; from then on they stay.

        Raises:
            ActionsDiffer: another process has changed a weight meanwhile.
            StoreUnavailable: call again.
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
    part of whatever version is live later; after a switch it raises `StoreMoved`, and the store has to be opened again.
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
    def actions(self) -> Actions: ...

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
        """Let an embedded engine compact itself; a server does so by itself.

        It may stop all threads of the process for its time, so call it when idle: after a bulk load, before
        closing.
        """
        ...

    def vacuum(self) -> bool:
        """Let no byte stay, in any version, of users that were overwritten, forgotten or deleted.

        A folder's users are written anew, which takes as much room as they have. False: on a server only the server does that.
        """
        ...

    def close(self) -> None:
        """Flush and close; a second call does nothing."""
        ...

    def abandon(self) -> None:
        """Close after a failure: a folder that was made for this store is removed, if no user and no item was written."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
