"""The versions of an open store: made, filled, switched and dropped."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sinks.engine import Engine
from sinks.errors import StoreError, StoreMismatch
from sinks.freeze import Freeze, freeze
from sinks.items import Items
from sinks.layout import live_alias
from sinks.progress import Progress
from sinks.upgrade import Upgrade
from sinks.users import Users
from sinks.version_opener import VersionOpener
from sinks.versions import Filling, Version, VersionRecord, Versions


class StoreVersions:
    """See `sinks.version_protocols.VersionStore`."""

    def __init__(
        self, record: VersionRecord, opened: Version, opener: VersionOpener, engine: Engine, upgrade: Upgrade
    ) -> None:
        self.opened = opened
        self._record = record
        self._opener = opener
        self._engine = engine
        self._upgrade = upgrade

    def read(self) -> Versions:
        """All versions and the live one, as of now."""
        return self._record.read()

    def describe(self, model: str, settings: str) -> None:
        """Say which model makes the vectors of the version that is open, where that was not known."""
        name = self.opened.name

        def described(versions: Versions) -> Versions:
            known = replace(versions.all[name], model=model, settings=settings)
            return replace(versions, all=versions.all | {name: known})

        self.opened = self._record.change(described).all[name]

    def begin(self, version: Version) -> Draft:
        """A version beside the live one, to be filled; see `sinks.version_protocols.VersionStore.begin`."""
        _check_name(version.name)
        version = replace(version, dim=self.opened.dim, generation=self.opened.generation)
        if version.name == self.read().live:
            raise StoreError(f"the version {version.name!r} is live already")
        self._upgrade.ensure()
        owner = secrets.token_hex(8)
        begun = self._record.change(lambda current: _begun(current, version, owner)).all[version.name]
        if begun.made:
            users, items = self._opener.open(begun)
            self._engine.index(self._opener.layout(begun).users)
        else:
            users, items = self._opener.make(begun)
            begun = replace(begun, made=True)
            self._record.change(lambda current: replace(current, all=current.all | {begun.name: begun}))
        return Draft(
            version=begun,
            users=self._opener.users(users, Filling(self._record, begun.name, owner).confirm),
            items=self._opener.items(items, begun),
        )

    @contextmanager
    def switching(self) -> Iterator[Switch]:
        """Keep writers waiting; see `sinks.version_protocols.VersionStore.switching`."""
        frozen = freeze(self._record, alone=self._engine.exclusive)
        try:
            yield Switch(frozen, self)
        finally:
            frozen.end()

    def beside(self) -> Iterator[Users]:
        """The users of every other version that is there, live or not."""
        for name, version in self.read().all.items():
            if name == self.opened.name or not version.made:
                continue
            try:
                users, _ = self._opener.open(version)
            except StoreMismatch:
                if name in self.read().all:
                    raise
                continue  # it has just been dropped
            yield self._opener.users(users, None)

    def copy_progress(self, name: str, renew: Callable[[], None]) -> None:
        """Raise the progress of another version's sources to that of the version that is live."""
        versions = self.read()
        live, other = (self._opener.open(versions.all[version])[0] for version in (versions.live, name))
        for page in Progress(live).pages():
            Progress(other).raise_to(page)
            renew()

    def drop(self, name: str) -> None:
        """Forget a version and delete its collections; see `sinks.version_protocols.VersionStore.drop`."""
        if name == self.read().live:
            raise StoreError(f"the version {name!r} is live: switch to another one before dropping it")

        def without(versions: Versions) -> Versions:
            if versions.live == name:
                raise StoreError(f"the version {name!r} has just become live; it was not dropped")
            rest = {key: one for key, one in versions.all.items() if key != name}
            fillers = {key: filler for key, filler in versions.fillers.items() if key != name}
            return replace(versions, all=rest, fillers=fillers)

        self._record.change(without)
        layout = self._opener.layout(Version(name))
        for spec in (layout.users, layout.items):
            self._engine.drop(spec)

    def expose_live(self, known: Versions | None = None) -> None:
        """Let a server's aliases lead to the live version. known: the record, where it was just read."""
        versions = known or self.read()
        while True:
            layout = self._opener.layout(versions.all[versions.live])
            self._engine.expose(
                {live_alias("users"): layout.users.name, live_alias("items"): layout.items.name}
            )
            # Another switch may have come between what was read and what was set.
            now = self.read()
            if now.live == versions.live:
                return
            versions = now


@dataclass(frozen=True, slots=True)
class Draft:
    """See `sinks.version_protocols.VersionDraft`."""

    version: Version
    users: Users
    items: Items


class Switch:
    """See `sinks.version_protocols.VersionSwitch`."""

    def __init__(self, frozen: Freeze, versions: StoreVersions) -> None:
        self._freeze = frozen
        self._versions = versions

    def renew(self) -> None:
        """Say that the switch is still under way."""
        self._freeze.renew()

    def activate(self, name: str) -> None:
        """Make the version live."""
        if not self._versions.read().all[name].made:
            raise StoreError(f"the version {name!r} was never filled")
        # Last of all: a user whose mark was dropped because its source was further was copied before that is.
        self._versions.copy_progress(name, self._freeze.renew)
        self._freeze.switch(name)
        self._versions.expose_live()


def _begun(current: Versions, version: Version, filler: str) -> Versions:
    known = current.all.get(version.name)
    current = replace(current, fillers=current.fillers | {version.name: filler})
    if known is None:
        return replace(current, all=current.all | {version.name: replace(version, made=False)})
    if (known.model, known.tower) != (version.model, version.tower):
        raise StoreMismatch(
            f"the version {version.name!r} was begun with the model {known.model}, not {version.model}; drop it first"
        )
    return current


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        raise StoreError(f"a version is named by up to 100 letters, digits, dots, dashes, not {name!r}")
