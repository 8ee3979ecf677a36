"""Stores of the first version on a server: an upgrade that is cut off or raced, and daemons of then that still run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.collection import Where
from sinks.config import StoreConfig
from sinks.errors import StoreUnavailable
from sinks.server.engine import ServerEngine
from sinks.store import EngineStore
from support.data.store_points import StoreSite, assert_users_equal, some_part, some_users
from support.fakes.first_version import COUNTER, make_first_version, put_older_users
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

POINTS = some_users([f"user-{n}" for n in range(20)])


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    """It has a store of the first version."""
    with QdrantServer(folder / "qdrant") as server:
        engine = ServerEngine(server.url, StoreConfig())
        make_first_version(engine, POINTS)
        engine.close()
        yield server


@pytest.mark.parametrize("applied", [False, True])
def test_an_upgrade_that_is_cut_off_is_done_again(server: QdrantServer, applied: bool) -> None:
    """Whichever of its requests fails, carried out or not, the next one that opens the store completes it."""
    cut_off = 0
    for step in range(10):
        server.fail_next(1, applied=applied, method="Upsert", after=step)
        try:
            with StoreSite(server.url).open() as store:
                assert len(store.id) >= 16
                assert_users_equal(store.users.claim(POINTS.user_ids).records, POINTS)
        except StoreUnavailable:
            cut_off += 1
        server.clear_failures()
    assert cut_off >= 3
    with StoreSite(server.url).open() as store:
        assert store.users.count() == 20


def test_racing_upgrades_agree(server: QdrantServer) -> None:
    """Daemons that open the store together all end up with the one id, and can all write."""
    ids: list[str] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        with StoreSite(server.url).open() as store:
            points = some_users(POINTS.user_ids[5 * number : 5 * number + 5])
            claim = store.users.claim(points.user_ids)
            assert store.users.write(points, claim.holds).all()
            ids.append(store.id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4 and len(set(ids)) == 1


def test_a_daemon_of_then_overwrites_no_claimed_user(server: QdrantServer) -> None:
    """What an older daemon still sends under its fencing token changes no user that was claimed since."""
    with StoreSite(server.url).open() as store:
        claim = store.users.claim(POINTS.user_ids[:10])
        assert isinstance(store, EngineStore)
        points = store.users._collection
        late = some_users(POINTS.user_ids, seed=5)

        class Conditional:
            """The users, written as then: on condition that no higher token is there."""

            def upsert(self, batch: object) -> None:
                points.upsert(batch, where=Where(at_most={"fence": COUNTER}))  # type: ignore[arg-type]

        put_older_users(Conditional(), late)  # type: ignore[arg-type]
        there = store.users.read(POINTS.user_ids)
        assert_users_equal(there[:10], some_part(POINTS, 0, 10))
        assert_users_equal(there[10:], some_part(late, 10, 20))
        assert store.users.write(some_users(POINTS.user_ids[:10], seed=6), claim.holds).all()
        put_older_users(Conditional(), late)  # type: ignore[arg-type]
        assert_users_equal(store.users.read(POINTS.user_ids[:10]), some_users(POINTS.user_ids[:10], seed=6))
