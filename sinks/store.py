"""A store put together from an engine's three collections, created or checked on opening."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.errors import StoreError, StoreMismatch, StoreNotFound
from sinks.items import Items
from sinks.layout import (
    OLDEST_VERSION,
    STORE_VERSION,
    CollectionSpec,
    FoundCollection,
    StoreLayout,
    check_collection,
    live_alias,
    store_layout,
)
from sinks.leases import CollectionLeases, Lease
from sinks.meta import Identity, Meta
from sinks.progress import Progress
from sinks.sources import CollectionSources
from sinks.upgrade import upgrade
from sinks.users import Users
from sinks.versions import (
    FIRST,
    Filling,
    Freeze,
    Live,
    Version,
    VersionRecord,
    Versions,
    freeze,
)
from sinks.writer import Writer

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

    def close(self) -> None:
        """Flush and let go."""
        ...


class EngineStore:
    """See `sinks.protocols.Store`."""

    def __init__(
        self,
        engine: Engine,
        config: StoreConfig,
        dim: int,
        create: bool,
        first: Version | None = None,
    ) -> None:
        """Open the live version of the store that the engine holds, or complete its creation.

        Raises:
            StoreNotFound: there is none, or none that is complete, and `create` is false.
            StoreMismatch: what is there does not fit `config` and `dim`; nothing was changed.
            StoreUnavailable: the engine does not answer.
        """
        self._config, self._dim = config, dim
        self._engine = engine
        self._upgrading = threading.Lock()
        meta, self._identity = _meta(engine, config, dim, create, first or Version())
        self._meta_points, self._meta = meta, Meta(meta)
        self._record = VersionRecord(meta)
        versions = self._record.read()
        self.version = _live(versions, engine)
        self._layout = store_layout(config, dim, self.version)
        users, items = _collections(engine, self._layout)
        self._user_points = users
        if create:
            self._upgrade()
            self._expose(versions)
        confirm = self._confirm = None if engine.exclusive else Live(self._record, self.version.name).confirm
        self._writer = Writer()
        self._progress = Progress(users)
        self.users = self._open_users(users, confirm)
        self.items = Items(items, config, dim, tower=self.version.tower, confirm=confirm)
        self.sources = CollectionSources(meta, self._progress, confirm, self._upgrade)
        self.leases = CollectionLeases(meta, prepare=self._upgrade, alone=engine.exclusive)

    @property
    def id(self) -> str:
        """Which store this is; see `sinks.protocols.Store.id`."""
        return self._identity.id

    def _open_users(self, points: Collection, confirm: Callable[[], None] | None) -> Users:
        return Users(
            points,
            self._config,
            self._dim,
            confirm,
            writer=self._writer,
            exclusive=self._engine.exclusive,
            prepare=self._upgrade,
        )

    def _upgrade(self) -> None:
        """Bring a store of an older release to this one's version, unless that has happened."""
        if self._identity.version == STORE_VERSION:
            return
        with self._upgrading:
            if self._identity.version != STORE_VERSION:
                index = partial(self._engine.index, self._layout.users)
                self._identity = upgrade(self._meta_points, self._user_points, index)

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        return self._engine.exclusive

    def versions(self) -> Versions:
        """All versions and the live one, as of now."""
        return self._record.read()

    def describe(self, model: str, settings: str) -> None:
        """Say which model makes the vectors of the version that is open, where that was not known."""
        name = self.version.name

        def described(versions: Versions) -> Versions:
            known = replace(versions.all[name], model=model, settings=settings)
            return replace(versions, all=versions.all | {name: known})

        self.version = self._record.change(described).all[name]

    def begin_version(self, version: Version) -> Draft:
        """A version beside the live one, to be filled; see `sinks.protocols.Store.begin_version`."""
        _check_name(version.name)
        if version.name == self.versions().live:
            raise StoreError(f"the version {version.name!r} is live already")
        self._upgrade()
        owner = secrets.token_hex(8)
        begun = self._record.change(lambda there: _begun(there, version, owner)).all[version.name]
        layout = store_layout(self._config, self._dim, begun)
        specs = (layout.users, layout.items)
        if begun.made:
            users, items = _collections(self._engine, layout)
            self._engine.index(layout.users)
        else:
            users, items = (self._engine.create(spec) for spec in specs)
            for spec in specs:
                self._engine.index(spec)
            begun = replace(begun, made=True)
            self._record.change(lambda there: replace(there, all=there.all | {begun.name: begun}))
        return Draft(
            version=begun,
            users=self._open_users(users, Filling(self._record, begun.name, owner).confirm),
            items=Items(items, self._config, self._dim, tower=begun.tower),
        )

    @contextmanager
    def switching(self) -> Iterator[Switch]:
        """Keep writers waiting for the last changes to be copied; see `sinks.protocols.Store.switching`."""
        frozen = freeze(self._record, alone=self._engine.exclusive)
        try:
            yield Switch(frozen, self)
        finally:
            frozen.end()

    def copy_progress(self, name: str, renew: Callable[[], None]) -> None:
        """Raise the progress of another version's sources to that of the version that is live."""
        versions = self.versions()
        live, other = (
            _collections(self._engine, store_layout(self._config, self._dim, versions.all[version]))[0]
            for version in (versions.live, name)
        )
        for page in Progress(live).pages():
            Progress(other).raise_to(page)
            renew()

    def drop_version(self, name: str) -> None:
        """Forget a version and delete its collections; see `sinks.protocols.Store.drop_version`."""
        if name == self.versions().live:
            raise StoreError(f"the version {name!r} is live: switch to another one before dropping it")

        def without(versions: Versions) -> Versions:
            if versions.live == name:
                raise StoreError(f"the version {name!r} has just become live; it was not dropped")
            rest = {key: one for key, one in versions.all.items() if key != name}
            fillers = {key: filler for key, filler in versions.fillers.items() if key != name}
            return replace(versions, all=rest, fillers=fillers)

        self._record.change(without)
        layout = store_layout(self._config, self._dim, Version(name))
        for spec in (layout.users, layout.items):
            self._engine.drop(spec)

    def expose_live(self) -> None:
        """Let a server's aliases lead to the live version; they may not after a switch was cut off."""
        self._expose(self.versions())

    def _expose(self, versions: Versions) -> None:
        while True:
            layout = store_layout(self._config, self._dim, versions.all[versions.live])
            self._engine.expose(
                {live_alias("users"): layout.users.name, live_alias("items"): layout.items.name}
            )
            # Another switch may have come between what was read and what was set.
            now = self.versions()
            if now.live == versions.live:
                return
            versions = now

    def get_blob(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        return self._meta.get_blob(name)

    def get_blobs(self, folder: str) -> dict[str, bytes]:
        """The blobs of a folder by name; see `sinks.protocols.Store.get_blobs`."""
        return self._meta.get_blobs(folder)

    def put_blob(self, name: str, blob: bytes, lease: Lease | None = None) -> None:
        """Keep `blob` under `name`, in place of what was there; see `sinks.protocols.Store.put_blob`."""
        if lease is None:
            self._meta.put_blob(name, blob)
        else:
            with self.leases.held(lease) as epoch:
                self._meta.put_blob(name, blob, epoch)

    def sync(self) -> None:
        """Put everything that was written on the disk; see `sinks.protocols.Store.sync`."""
        self._engine.sync()

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


@dataclass(frozen=True, slots=True)
class Draft:
    """See `sinks.protocols.VersionDraft`."""

    version: Version
    users: Users
    items: Items


class Switch:
    """See `sinks.protocols.VersionSwitch`."""

    def __init__(self, frozen: Freeze, store: EngineStore) -> None:
        self._freeze = frozen
        self._store = store

    def renew(self) -> None:
        """Say that the switch is still under way."""
        self._freeze.renew()

    def activate(self, name: str) -> None:
        """Make the version live."""
        if not self._store.versions().all[name].made:
            raise StoreError(f"the version {name!r} was never filled")
        # Last of all: a user whose mark was dropped because its source was further was copied before that is.
        self._store.copy_progress(name, self._freeze.renew)
        self._freeze.switch(name)
        self._store.expose_live()


def _meta(
    engine: Engine, config: StoreConfig, dim: int, create: bool, first: Version
) -> tuple[Collection, Identity]:
    """The meta collection of a store that is complete. Everything that is there is checked before anything is made,
    and the identity in meta is written last, so that a creation that was cut off is seen and completed."""
    layout = store_layout(config, dim, first)
    meta = _checked(engine, layout.meta)
    identity = Meta(meta).identity() if meta is not None else None
    if meta is not None and identity is not None:
        _check_identity(identity, engine, dim)
        return meta, identity
    users = _checked(engine, layout.users)
    items = _checked(engine, layout.items)
    if not create:
        raise StoreNotFound(f"no store at {engine.location}; {REPLAY_FIRST}")
    for collection in filter(None, (meta, users, items)):
        # Another process may have completed the store meanwhile and be writing to it.
        if _strangers(collection, meta) and not _is_complete(engine, layout):
            raise StoreMismatch(
                f"collection {collection.name} at {engine.location} has points but no version of a "
                "Driftline store beside it; choose another store.prefix or another store"
            )
    meta = meta or engine.create(layout.meta)
    for spec, there in ((layout.users, users), (layout.items, items)):
        if there is None:
            engine.create(spec)
        engine.index(spec)
    if first.model:
        VersionRecord(meta).change(lambda there: there if there.epoch else replace(there, all={FIRST: first}))
    identity = Meta(meta).identify(Identity(STORE_VERSION, dim, secrets.token_hex(8)))
    _check_identity(identity, engine, dim)
    engine.finished()
    return meta, identity


def _collections(engine: Engine, layout: StoreLayout) -> tuple[Collection, Collection]:
    """Users and items of one version."""
    users, items = _checked(engine, layout.users), _checked(engine, layout.items)
    if users is None or items is None:
        lost = layout.users.name if users is None else layout.items.name
        raise StoreMismatch(
            f"the store at {engine.location} has lost its collection {lost!r}; restore it from a backup, "
            "or delete the rest of the store too, then replay"
        )
    return users, items


def _live(versions: Versions, engine: Engine) -> Version:
    if versions.live not in versions.all:
        raise StoreMismatch(
            f"the store at {engine.location} has lost its live version {versions.live!r}; restore its meta "
            "collection from a backup, or replay into a new store"
        )
    return versions.all[versions.live]


def _begun(there: Versions, version: Version, filler: str) -> Versions:
    known = there.all.get(version.name)
    there = replace(there, fillers=there.fillers | {version.name: filler})
    if known is None:
        return replace(there, all=there.all | {version.name: replace(version, made=False)})
    if (known.model, known.tower) != (version.model, version.tower):
        raise StoreMismatch(
            f"the version {version.name!r} was begun with the model {known.model}, not {version.model}; drop it first"
        )
    return there


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        raise StoreError(f"a version is named by up to 100 letters, digits, dots, dashes, not {name!r}")


def _checked(engine: Engine, spec: CollectionSpec) -> Collection | None:
    opened = engine.open(spec)
    if opened is None:
        return None
    collection, looks = opened
    check_collection(spec, looks, collection.name)
    return collection


def _strangers(collection: Collection, meta: Collection | None) -> int:
    """How many points a creation that is under way, or was cut off, has not put there."""
    points = collection.count()
    # Asked after they were counted: another process may be about to name the version.
    return points - 1 if points and collection is meta and VersionRecord(meta).read().epoch else points


def _is_complete(engine: Engine, layout: StoreLayout) -> bool:
    meta = _checked(engine, layout.meta)
    return meta is not None and Meta(meta).identity() is not None


def _check_identity(identity: Identity, engine: Engine, dim: int) -> None:
    if not OLDEST_VERSION <= identity.version <= STORE_VERSION:
        raise StoreMismatch(
            f"the store at {engine.location} has version {identity.version}, this Driftline reads versions "
            f"{OLDEST_VERSION} to {STORE_VERSION}; use the Driftline that wrote it, or replay into a new store"
        )
    if identity.dim != dim:
        raise StoreMismatch(
            f"the store at {engine.location} was made for {identity.dim} dimensions, the settings say {dim}; "
            f"set encoder.dim = {identity.dim}, or replay into a new store"
        )
