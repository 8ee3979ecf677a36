"""What becomes of a store of an earlier release, whichever engine keeps it. Subclasses inherit from `StoreContract` too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.store_contract import Names
from sinks.collection import Where
from sinks.config import StoreConfig
from sinks.counter import RETIRED
from sinks.engine import Engine
from sinks.layout import STORE_VERSION
from sinks.meta import Meta
from sinks.points import UserPoints, named_id
from sinks.protocols import Store
from sinks.store import EngineStore
from sinks.versions import Version
from support.data.store_points import DIM, StoreSite, assert_users_equal, some_items, some_users
from support.fakes.first_version import LANES, make_first_version

OpenEngine = Callable[[StoreSite], Engine]


class UpgradeContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    @pytest.fixture(scope="class")
    @classmethod
    def open_engine(cls) -> OpenEngine:
        """A function that opens the engine of a site, without any store of it."""
        raise NotImplementedError("a subclass says how")

    @pytest.fixture
    def older(self, site: StoreSite, open_engine: OpenEngine, names: Names) -> UserPoints:
        """The users of a store of the first version at `site`."""
        points = some_users(names(30))
        engine = open_engine(site)
        try:
            make_first_version(engine, points)
        finally:
            engine.close()
        return points

    def test_an_older_store_is_read_as_it_is(self, site: StoreSite, older: UserPoints) -> None:
        """A store of the first version can be read, and reading changes nothing in it."""
        for _ in range(2):
            with site.open(create=False) as store:
                assert store.id == "" and store.versions.opened == Version(model="analytic", settings="{}")
                assert_users_equal(store.users.read(older.user_ids, True), older, vectors=True)
                assert sum(map(len, store.users.scan(7))) == 30
                assert store.blobs.get("whitening") == b"kept"
                assert store.sources.known() == {} and store.sources.progress([1]) == {1: 0}
                assert version_of(store) == 1

    def test_an_older_store_is_upgraded_where_it_is_opened_for_writing(
        self, site: StoreSite, older: UserPoints
    ) -> None:
        """Opened by a daemon the store gets its id, and loses nothing; its lanes are no users."""
        with site.open() as store:
            first = store.id
            assert len(first) >= 16 and version_of(store) == STORE_VERSION
            assert_users_equal(store.users.read(older.user_ids, True), older, vectors=True)
            assert store.users.count() == 30
            claim = store.users.claim(older.user_ids)
            assert_users_equal(claim.records, older)
            points = some_users(older.user_ids, seed=9)
            assert store.users.write(points, claim.holds).all()
            store.items.write(some_items(3))
            store.sources.advance(store.sources.numbers(["a"], {"a": "cluster/clicks/3"}))
            assert store.blobs.get("whitening") == b"kept"
        with site.open(create=False) as again:
            assert again.id == first
            assert_users_equal(again.users.read(older.user_ids, True), points, vectors=True)
            assert again.users.count() == 30

    @pytest.mark.parametrize("what", ["claim", "sources", "progress", "lease", "version"])
    def test_an_older_store_is_upgraded_before_the_first_write(
        self, site: StoreSite, older: UserPoints, what: str
    ) -> None:
        """A command that was to read only and writes after all upgrades the store first."""
        writes: dict[str, Callable[[Store], object]] = {
            "claim": lambda store: store.users.claim(older.user_ids),
            "sources": lambda store: store.sources.numbers(["a"]),
            "progress": lambda store: store.sources.advance({1: 1}),
            "lease": lambda store: store.leases.take("tables"),
            "version": lambda store: store.versions.begin(Version("m2", model="other")),
        }
        with site.open(create=False) as store:
            writes[what](store)
            assert len(store.id) >= 16 and version_of(store) == STORE_VERSION

    def test_older_releases_can_go_on_with_nothing(self, site: StoreSite, older: UserPoints) -> None:
        """What a daemon of an older release reads before it takes a write for done, it cannot read any longer."""
        with site.open() as store:
            assert isinstance(store, EngineStore)
            meta, users = store._meta, store.users._collection
            (record,) = meta.retrieve([named_id("versions")], False)
            known = {"name", "model", "tower", "settings", "made"}
            assert all(set(entry) - known for entry in record.payload["versions"]), "it is read as ever"
            (counter,) = meta.retrieve([RETIRED], False)
            with pytest.raises(ValueError, match="invalid literal"):
                int(counter.payload["fence"])
            lanes = users.retrieve([named_id(f"lane/{lane}") for lane in LANES], False)
            assert len(lanes) == len(LANES)
            low = Where(at_most={"fence": 10**9})
            claimed = store.users.claim(older.user_ids[:5])
            assert store.users.write(some_users(older.user_ids[:5], seed=3), claimed.holds).all()
            if not store.exclusive:
                # All that could be overwritten under a fencing token are users that nobody has claimed yet.
                assert users.count(low) == 25
            assert users.count(Where(at_most={"fence": 10**9}, exactly={"writer": -1})) == 0


def version_of(store: Store) -> int:
    assert isinstance(store, EngineStore)
    identity = Meta(store._meta).identity()
    assert identity is not None and identity.dim == DIM
    return identity.version


def config_of(site: StoreSite) -> StoreConfig:
    """The settings that the site is opened with."""
    return StoreConfig(**site.settings)
