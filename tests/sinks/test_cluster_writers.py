"""Users of a cluster stay exact whatever writes them at once, whichever nodes go away meanwhile; and what that needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import qdrant_edge as edge

from sinks.errors import ReplicasDiffer, StoreUnavailable
from sinks.points import user_point_id
from sinks.protocols import Store
from support.data.store_points import StoreSite, assert_users_equal, some_users
from support.fakes.many_writers import Process, wrong_users
from support.qdrant_server import QdrantServer
from support.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.server

USERS = [f"user-{n}" for n in range(40)]


def race(sites: Sequence[StoreSite], rounds: int = 8) -> tuple[int, int]:
    """A process with two lanes for each site, all at the same users: how many come out wrong, and how many requests
    were not answered."""
    with ExitStack() as stack:
        crew = [Process(stack.enter_context(opened(site))) for site in sites]
        wrong = wrong_users(crew, USERS, rounds=rounds)
        met = sum(process.counts["refused"] + process.counts["lost"] for process in crew)
        assert met > 20, "the writers did not meet"
        return wrong, sum(process.counts["unanswered"] for process in crew)


def opened(site: StoreSite) -> Store:
    for _ in range(100):
        try:
            return site.open()
        except StoreUnavailable:
            time.sleep(0.05)
    raise AssertionError("the store could not be opened")


@pytest.mark.parametrize("replicas", [2, 3])
def test_what_is_asked_for_keeps_users_exact(folder: Path, replicas: int) -> None:
    """On replicas that take racing updates as they come unless asked, no update goes unasked and no user ends wrong."""
    with QdrantServer(folder, replicas=replicas) as server:
        wrong, _ = race([StoreSite(server.url)] * 3)
        assert server.unordered_updates() == {}
    assert wrong == 0


def test_without_what_is_asked_for_users_end_wrong(folder: Path) -> None:
    """The same writers on the same replicas, served as Qdrant does by default, leave users wrong."""
    for number in range(4):
        with QdrantServer(folder / str(number), replicas=2, by_default=True) as server:
            try:
                wrong, _ = race([StoreSite(server.url)] * 3)
            except AssertionError as hopeless:
                assert "came to no end" in str(hopeless)
                return
        if wrong:
            return
    pytest.fail("nothing was wrong")


def test_nodes_that_come_and_go(folder: Path) -> None:
    """With nodes killed all the time, connections breaking in the middle of requests, no user is wrong at the end."""
    with QdrantServer(folder, replicas=2) as server, ExitStack() as stack:
        nodes = [stack.enter_context(TcpProxy(server.port)) for _ in range(3)]
        done, kills = threading.Event(), 0

        def kill() -> None:
            nonlocal kills
            while not done.wait(0.3):
                node = nodes[kills % 3]
                node.kill()
                time.sleep(0.1)
                node.start()
                kills += 1

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            wrong, unanswered = race([StoreSite(",".join(node.url for node in nodes))] * 3, rounds=16)
        finally:
            done.set()
            killer.join()
    assert wrong == 0
    assert kills >= 3 and unanswered, "not exercised"


def test_replicas_in_and_out_of_service(folder: Path) -> None:
    """While one of two replicas is out of service writers wait, and continue when it has what it missed."""
    with QdrantServer(folder, replicas=2) as server:
        site = StoreSite(server.url)
        site.open().close()
        done, losses = threading.Event(), 0

        def lose() -> None:
            nonlocal losses
            while not done.wait(0.3):
                server.replicated("users").lose(losses % 2)
                time.sleep(0.2)
                server.replicated("users").recover(losses % 2)
                losses += 1

        loser = threading.Thread(target=lose)
        loser.start()
        try:
            wrong, unanswered = race([site] * 3, rounds=16)
        finally:
            done.set()
            loser.join()
    assert wrong == 0
    assert losses >= 3 and unanswered, "not exercised"


def test_replicas_that_differ_for_good_are_made_alike(folder: Path) -> None:
    """A user whose replicas differ for good, since a write that nobody acknowledged reached one of them, is claimed all
    the same after a moment, and made alike by the write that follows; so is the progress of a source."""
    with QdrantServer(folder, replicas=2) as server, StoreSite(server.url).open() as store:
        points, later = some_users(["a", "b"], seed=1), some_users(["a", "b"], seed=2)
        first = store.users.claim(points.user_ids)
        store.users.write(points, first.holds, token=first.token)
        (number,) = store.sources.numbers(["source"]).values()
        store.sources.advance({number: 5})
        one, other = server.replicated("users").replicas
        records = [record.id for record in one.scroll(edge.ScrollRequest(limit=100))[0]]
        users = [record for record in records if str(record) == user_point_id("a")]
        progress = [record for record in records if str(record) not in map(user_point_id, points.user_ids)]
        assert len(users) == len(progress) == 1
        other.update(edge.UpdateOperation.set_payload(users, {"updated_at": 7.0}))
        other.update(edge.UpdateOperation.set_payload(progress, {"next": 9}))

        with pytest.raises(ReplicasDiffer, match=r"docs/cluster\.md"):
            store.users.read(["a"])
        claim = store.users.claim(points.user_ids)
        found = claim.records[0]
        assert found is not None
        assert found.updated_at == 7.0 or found.updated_at == pytest.approx(points.updated_at[0])
        assert store.users.write(later, claim.holds, token=claim.token).all()
        assert_users_equal(store.users.read(later.user_ids), later)
        assert store.sources.progress([number]) == {number: 9}
        for record in (*users, *progress):
            held = {str(replica.retrieve([record], True, False)[0].payload) for replica in (one, other)}
            assert len(held) == 1
