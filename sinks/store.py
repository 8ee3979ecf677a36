"""A store put together from an engine's three collections, created or checked on opening."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self

from sinks.actions import CollectionActions
from sinks.blobs import Blobs
from sinks.config import StoreConfig
from sinks.creation import check_dim, open_collections, open_meta
from sinks.engine import Engine
from sinks.errors import StoreError, StoreMismatch
from sinks.layout import store_layout
from sinks.leases import CollectionLeases
from sinks.progress import Progress
from sinks.sources import CollectionSources
from sinks.store_versions import StoreVersions
from sinks.upgrade import Upgrade
from sinks.version_opener import VersionOpener
from sinks.versions import Live, Version, VersionRecord, Versions


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
            StoreMismatch: what exists does not fit `config` and `dim`; nothing was changed.
            StoreUnavailable: the engine does not answer.
        """
        self._engine = engine
        self._meta, identity = open_meta(engine, config, dim, create, first or Version())
        record = VersionRecord(self._meta)
        versions = record.read()
        opened = _live(versions, engine)
        check_dim(opened.dim or identity.dim, engine, dim)
        layout = store_layout(config, dim, opened)
        users, items = open_collections(engine, layout)
        self._upgrade = Upgrade(identity, engine, self._meta, users, layout.users)
        opener = VersionOpener(engine, config, dim, self._upgrade)
        self._opener = opener
        self.versions = StoreVersions(record, opened, opener, engine, self._upgrade)
        if create:
            self._upgrade.ensure()
            self.versions.expose_live(versions)
        confirm = None if engine.exclusive else Live(record, opened.name).confirm
        self._progress = Progress(users)
        self.users = opener.users(users, confirm)
        self.items = opener.items(items, opened, confirm)
        self.sources = CollectionSources(
            self._meta, self._progress, confirm, self._upgrade.ensure, opened.generation
        )
        self.leases = CollectionLeases(self._meta, prepare=self._upgrade.ensure, alone=engine.exclusive)
        self.actions = CollectionActions(self._meta, self._upgrade.ensure, opened.generation)
        self.blobs = Blobs(self._meta, self.leases, opened.generation)

    @property
    def id(self) -> str:
        """Which store this is; see `sinks.protocols.Store.id`."""
        return self._upgrade.identity.id

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        return self._engine.exclusive

    def sync(self) -> None:
        """Put everything that was written on the disk; see `sinks.protocols.Store.sync`."""
        self._engine.sync()

    def check(self) -> None:
        """Whether the store answers."""
        self._engine.check()

    def optimize(self) -> None:
        """Let an embedded engine compact itself; see `sinks.protocols.Store.optimize`."""
        self._engine.optimize()

    def vacuum(self) -> bool:
        """Let nothing stay of users that were overwritten or deleted; see `sinks.protocols.Store.vacuum`."""
        made = [version for version in self.versions.read().all.values() if version.made]
        specs = [self._opener.layout(version).users for version in made]
        return all(self._engine.rewrite(spec) for spec in specs if self._engine.open(spec) is not None)

    def close(self) -> None:
        """Flush and close; a second call does nothing."""
        self._engine.close()

    def abandon(self) -> None:
        """Close after a failure; see `sinks.protocols.Store.abandon`."""
        empty = False
        if self._engine.new:
            with suppress(StoreError):
                empty = not self.users.count() and not self.items.count()
        self._engine.close(remove=empty)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()


def _live(versions: Versions, engine: Engine) -> Version:
    if versions.live not in versions.all:
        raise StoreMismatch(
            f"the store at {engine.location} has lost its live version {versions.live!r}; restore its meta "
            "collection from a backup, or replay into a new store"
        )
    return versions.all[versions.live]
