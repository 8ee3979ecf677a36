"""Users and items of any version of one store, opened for one writer."""

from __future__ import annotations

from collections.abc import Callable

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.creation import open_collections
from sinks.engine import Engine
from sinks.items import Items
from sinks.layout import StoreLayout, store_layout
from sinks.upgrade import Upgrade
from sinks.users import Users
from sinks.versions import Version
from sinks.writer import Writer


class VersionOpener:
    """Opens the collections of versions; what it opens is written under one token.

    upgrade: done before anything is claimed.
    """

    def __init__(self, engine: Engine, config: StoreConfig, dim: int, upgrade: Upgrade) -> None:
        self._engine = engine
        self._config = config
        self._dim = dim
        self._upgrade = upgrade
        self._writer = Writer()

    def layout(self, version: Version) -> StoreLayout:
        """The version's collections, as they should be."""
        return store_layout(self._config, self._dim, version)

    def open(self, version: Version) -> tuple[Collection, Collection]:
        """Its collections of users and items.

        Raises:
            StoreMismatch: one is lost, or not as it should be.
        """
        return open_collections(self._engine, self.layout(version))

    def make(self, version: Version) -> tuple[Collection, Collection]:
        """Make its collections, as far as they do not exist, with the indexes that they lack."""
        layout = self.layout(version)
        specs = (layout.users, layout.items)
        users, items = (self._engine.create(spec) for spec in specs)
        for spec in specs:
            self._engine.index(spec)
        return users, items

    def users(self, points: Collection, confirm: Callable[[], None] | None) -> Users:
        """A version's users. confirm: called after what was written was acknowledged; may raise."""
        return Users(
            points,
            self._config,
            self._dim,
            confirm,
            writer=self._writer,
            exclusive=self._engine.exclusive,
            prepare=self._upgrade.ensure,
        )

    def items(self, points: Collection, version: Version, confirm: Callable[[], None] | None = None) -> Items:
        """A version's items; `confirm` as for users."""
        return Items(points, self._config, self._dim, tower=version.tower, confirm=confirm)
