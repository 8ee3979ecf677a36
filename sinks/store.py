"""A store put together from an engine's three collections, created or checked on opening."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.errors import StoreMismatch, StoreNotFound
from sinks.fence import Fence, Fences
from sinks.fence_counter import FenceCounter
from sinks.items import Items
from sinks.layout import (
    STORE_VERSION,
    CollectionSpec,
    FoundCollection,
    Layout,
    check_collection,
    store_layout,
)
from sinks.meta import Identity, Meta
from sinks.users import Users

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

    def finished(self) -> None:
        """The store is complete: remember that, where that is the engine's to remember."""
        ...

    def check(self) -> None:
        """Whether the engine answers."""
        ...

    def optimize(self) -> None:
        """Tidy up; see `sinks.protocols.Store.optimize`."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


class EngineStore:
    """See `sinks.protocols.Store`."""

    def __init__(self, engine: Engine, config: StoreConfig, dim: int, create: bool) -> None:
        """Open the store that the engine holds, or complete its creation.

        Raises:
            StoreNotFound: there is none, or none that is complete, and `create` is false.
            StoreMismatch: what is there does not fit `config` and `dim`; nothing was changed.
            StoreUnavailable: the engine does not answer.
        """
        self._layout = store_layout(config, dim)
        users, items, meta = _collections(engine, self._layout, dim, create)
        self._engine = engine
        self._meta = Meta(meta)
        self._fences = Fences(users, FenceCounter(meta))
        self.users = Users(users, self._fences, config, dim)
        self.items = Items(items, config, dim)

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        return self._engine.exclusive

    def take_fences(self, lanes: Sequence[int]) -> dict[int, Fence] | None:
        """Take lanes, from whoever has them; see `sinks.protocols.Store.take_fences`."""
        if self._engine.exclusive:
            return None
        # A store from before there were fences lacks the index; those who only read need not have it.
        self._engine.index(self._layout.users)
        return self._fences.take(lanes)

    def get_blob(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        return self._meta.get_blob(name)

    def get_blobs(self, folder: str) -> dict[str, bytes]:
        """The blobs of a folder by name; see `sinks.protocols.Store.get_blobs`."""
        return self._meta.get_blobs(folder)

    def put_blob(self, name: str, blob: bytes, fence: Fence | None = None) -> None:
        """Keep `blob` under `name`, in place of what was there; see `sinks.protocols.Store.put_blob`."""
        if fence is None:
            self._meta.put_blob(name, blob)
            return
        with self._fences.beside(fence) as current:
            self._meta.put_blob(name, blob, current.token)

    def check(self) -> None:
        """Whether the store answers."""
        self._engine.check()

    def optimize(self) -> None:
        """Let an embedded engine tidy up; see `sinks.protocols.Store.optimize`."""
        self._engine.optimize()

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _collections(
    engine: Engine, layout: Layout, dim: int, create: bool
) -> tuple[Collection, Collection, Collection]:
    """Users, items and meta, in this order. Everything that is there is checked before anything is made, and
    the identity in meta is written last, so that a creation that was cut off is seen and completed."""
    meta = _checked(engine, layout.meta)
    identity = Meta(meta).identity() if meta is not None else None
    if identity is not None:
        _check_identity(identity, engine, dim)
    users = _checked(engine, layout.users)
    items = _checked(engine, layout.items)
    if identity is None:
        if not create:
            raise StoreNotFound(f"no store at {engine.location}; {REPLAY_FIRST}")
        for collection in filter(None, (meta, users, items)):
            # Another process may have completed the store meanwhile and be writing to it.
            if collection.count() and not _is_complete(engine, layout):
                raise StoreMismatch(
                    f"collection {collection.name} at {engine.location} has points but no version of a "
                    "Driftline store beside it; choose another store.prefix or another store"
                )
        meta = meta or engine.create(layout.meta)
        users = users or engine.create(layout.users)
        items = items or engine.create(layout.items)
        engine.index(layout.users)
        engine.index(layout.items)
        Meta(meta).identify(Identity(STORE_VERSION, dim))
        engine.finished()
    if meta is None or users is None or items is None:
        lost = layout.users.name if users is None else layout.items.name
        raise StoreMismatch(
            f"the store at {engine.location} has lost its collection {lost!r}; restore it from a backup, "
            "or delete the rest of the store too, then replay"
        )
    return users, items, meta


def _checked(engine: Engine, spec: CollectionSpec) -> Collection | None:
    opened = engine.open(spec)
    if opened is None:
        return None
    collection, looks = opened
    check_collection(spec, looks, collection.name)
    return collection


def _is_complete(engine: Engine, layout: Layout) -> bool:
    meta = _checked(engine, layout.meta)
    return meta is not None and Meta(meta).identity() is not None


def _check_identity(identity: Identity, engine: Engine, dim: int) -> None:
    if identity.version != STORE_VERSION:
        raise StoreMismatch(
            f"the store at {engine.location} has version {identity.version}, this Driftline reads version "
            f"{STORE_VERSION}; use the Driftline that wrote it, or replay into a new store"
        )
    if identity.dim != dim:
        raise StoreMismatch(
            f"the store at {engine.location} was made for {identity.dim} dimensions, the settings say {dim}; "
            f"set encoder.dim = {identity.dim}, or replay into a new store"
        )
