"""Any number of processes write the same users: nothing is lost and nothing counted twice, late requests included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sinks.errors import StoreUnavailable
from sinks.protocols import Store
from sinks.store import EngineStore
from sinks.writer import LOST, NEW, Writer
from support.data.store_points import StoreSite
from support.fakes.many_writers import Process, sum_of, sum_points, wrong_users
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

USERS = [f"user-{n}" for n in range(60)]
FEW = USERS[:5]


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    with QdrantServer(folder / "qdrant") as server:
        yield server


def put(store: Store, users: list[str], total: int) -> list[int]:
    """Write users with that sum; their holds."""
    claim = store.users.claim(users)
    marks = {"0": total}
    assert store.users.write(
        sum_points(users, [(total, marks)] * len(users)), claim.holds, token=claim.token
    ).all()
    return [claim.token if hold == NEW else hold for hold in claim.holds]


def totals(store: Store, users: list[str]) -> list[int]:
    return [sum_of(record)[0] for record in store.users.read(users)]


# --- requests that are carried out when nobody expects them any longer


def test_late_claim_harms_nobody(server: QdrantServer) -> None:
    """A claim that was answered as failed and is carried out later costs its users' writer a claim, and no write."""
    with StoreSite(server.url).open() as one, StoreSite(server.url).open() as two:
        put(one, FEW, 1)
        server.late_next(1, "SetPayload")
        with pytest.raises(StoreUnavailable):
            two.users.claim(FEW)
        holds = put(one, FEW, 2)
        mine = two.users.claim(FEW)  # under another token than the late one
        assert two.users.write(sum_points(FEW, [(3, {"0": 3})] * 5), mine.holds).all()
        assert server.release_late() == 1
        # Now the points name a token that nobody holds anything under.
        assert not one.users.write(sum_points(FEW, [(9, {"0": 9})] * 5), holds).any()
        assert not two.users.write(sum_points(FEW, [(9, {"0": 9})] * 5), mine.holds).any()
        assert totals(one, FEW) == [3] * 5
        put(two, FEW, 4)
        assert totals(one, FEW) == [4] * 5


def test_late_write_undoes_nothing(server: QdrantServer) -> None:
    """A write that was answered as failed, and is carried out after others, changes nothing that was written since."""
    with StoreSite(server.url).open() as one, StoreSite(server.url).open() as two:
        for store in (one, two):  # the process itself continues, or another one does
            holds = put(one, FEW, 1)
            server.late_next(1, "Upsert")
            with pytest.raises(StoreUnavailable):
                one.users.write(sum_points(FEW, [(2, {"0": 2})] * 5), holds)
            put(store, FEW, 3)
            assert server.release_late() == 1
            assert totals(one, FEW) == [3] * 5


@pytest.mark.parametrize("backwards", [False, True])
def test_late_claim_does_not_let_a_late_write_in(server: QdrantServer, backwards: bool) -> None:
    """A write and a claim of the same users, both late in either order, undo nothing: their tokens differ."""
    with StoreSite(server.url).open() as store:
        holds = put(store, FEW, 1)
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            store.users.write(sum_points(FEW, [(2, {"0": 2})] * 5), holds)
        server.late_next(1, "SetPayload")
        with pytest.raises(StoreUnavailable):
            store.users.claim(FEW)
        put(store, FEW, 3)
        assert server.release_late(backwards) == 2
        assert totals(store, FEW) == [3] * 5


def test_late_insert_undoes_nothing(server: QdrantServer) -> None:
    """A new user that was inserted late is there already, and stays as it is."""
    with StoreSite(server.url).open() as store:
        claim = store.users.claim(FEW)
        assert claim.holds == [NEW] * 5
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            store.users.write(sum_points(FEW, [(1, {"0": 1})] * 5), claim.holds, token=claim.token)
        put(store, FEW[:3], 2)
        assert server.release_late() == 1
        assert totals(store, FEW) == [2] * 3 + [1] * 2
        claim = store.users.claim(FEW)
        assert [sum_of(record)[1] for record in claim.records] == [{"0": 2}] * 3 + [{"0": 1}] * 2


def test_lost_answers_are_found_by_the_marks(server: QdrantServer) -> None:
    """A claim, a write, a count or a read whose answer was lost is reported; the next claim sees what was done."""
    with StoreSite(server.url).open() as store:
        for total, method in enumerate(("SetPayload", "Upsert", "Count"), start=1):
            server.fail_next(5, applied=True, method=method)
            with pytest.raises(StoreUnavailable):
                claim = store.users.claim(FEW)
                store.users.write(
                    sum_points(FEW, [(total, {"0": total})] * 5), claim.holds, token=claim.token
                )
                store.users.write(sum_points(FEW, [(total, {"0": total})] * 5), store.users.claim(FEW).holds)
            server.clear_failures()
            put(store, FEW, total + 10)
            assert totals(store, FEW) == [total + 10] * 5


def test_every_unanswered_request_changes_the_token(server: QdrantServer) -> None:
    """After a claim or a write without an answer nothing more is claimed under its token; what was held stays held."""
    with StoreSite(server.url).open() as store:
        kept = put(store, ["kept"], 1)
        tokens = {store.users.claim([]).token}
        for method in ("SetPayload", "Upsert", "SetPayload"):
            server.fail_next(1, applied=True, method=method)
            with pytest.raises(StoreUnavailable):
                claim = store.users.claim(FEW)
                store.users.write(sum_points(FEW, [(1, {})] * 5), claim.holds, token=claim.token)
            tokens.add(store.users.claim([]).token)
        assert len(tokens) == 4
        assert store.users.write(sum_points(["kept"], [(2, {})]), kept).all()


def test_late_blob_does_not_undo_a_newer_one(server: QdrantServer) -> None:
    """A blob under a lease that was answered as failed, and is carried out later, replaces nothing that came after it."""
    with StoreSite(server.url).open() as store, StoreSite(server.url).open() as other:
        lease = store.leases.take("tables")
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            store.blobs.put("tables/a", b"late", lease)
        store.blobs.put("tables/a", b"newer", lease)
        assert server.release_late() == 1
        assert store.blobs.get("tables/a") == b"newer"
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            store.blobs.put("tables/a", b"late", lease)
        store.leases.release(lease)
        successor = other.leases.take("tables")
        assert successor.name == lease.name
        other.blobs.put("tables/a", b"successor", successor)
        assert server.release_late() == 1
        assert store.blobs.get("tables/a") == b"successor"


def test_late_progress_takes_nothing_back(server: QdrantServer) -> None:
    """Progress that was answered as failed and is carried out later lowers nothing."""
    with StoreSite(server.url).open() as store:
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            store.sources.advance({1: 5, 2: 7})
        store.sources.advance({1: 6})
        assert server.release_late() == 1
        assert store.sources.progress([1, 2]) == {1: 6, 2: 7}


def test_registrations_survive_failing_requests(server: QdrantServer) -> None:
    """With a share of requests failing or late, sources that are registered again and again have one number each."""
    names, told = [f"source-{n}" for n in range(12)], list[dict[str, int]]()
    server.fail_share, server.late_share, server.late_s = 0.1, 0.1, 0.2
    for start in range(0, 12, 2):
        with _opened(server) as store:
            for _ in range(200):
                try:
                    told.append(store.sources.numbers(names[: start + 2], {names[start]: f"old-{start}"}))
                    break
                except StoreUnavailable:
                    continue
    server.fail_share = server.late_share = 0.0
    time.sleep(server.late_s + 0.3)
    with StoreSite(server.url).open() as store:
        known = {name: info.number for name, info in store.sources.known().items()}
        assert sorted(known) == sorted(names) and len(set(known.values())) == 12
        assert len(told) == 6
        assert all(known[name] == number for one in told for name, number in one.items())


# --- processes that should be gone


def test_zombie_writers_change_nothing(server: QdrantServer) -> None:
    """A process that was frozen between its claim and its write, and wakes when others have gone on, is refused."""
    with StoreSite(server.url).open() as zombie, StoreSite(server.url).open() as other:
        put(zombie, FEW[:3], 1)
        old = zombie.users.claim(FEW)
        put(other, FEW, 2)
        assert not zombie.users.write(sum_points(FEW, [(9, {"0": 9})] * 5), old.holds, token=old.token).any()
        assert totals(other, FEW) == [2] * 5


def test_zombie_claims_are_harmless(server: QdrantServer) -> None:
    """A zombie that claims takes users over as anybody does: its writes continue from what is there."""
    with StoreSite(server.url).open() as zombie, StoreSite(server.url).open() as other:
        holds = put(other, FEW, 2)
        claim = zombie.users.claim(FEW)
        assert [sum_of(record) for record in claim.records] == [(2, {"0": 2})] * 5
        assert not other.users.write(sum_points(FEW, [(3, {"0": 3})] * 5), holds).any()
        put(other, FEW, 3)
        assert not zombie.users.write(sum_points(FEW, [(9, {"0": 9})] * 5), claim.holds).any()
        assert totals(other, FEW) == [3] * 5


def test_a_user_that_is_taken_between_claim_and_read_is_lost(server: QdrantServer) -> None:
    """A process that is no longer the writer when it reads is told so, user by user, and writes nothing of these."""
    with StoreSite(server.url).open() as one, StoreSite(server.url).open() as two:
        put(one, FEW, 1)
        assert isinstance(one, EngineStore)
        points = one.users._collection
        claimed = points.set_payload

        def overtaken(*arguments: object) -> None:
            claimed(*arguments)  # type: ignore[arg-type]
            two.users.claim(FEW[:2])

        points.set_payload = overtaken  # type: ignore[method-assign]
        claim = one.users.claim(FEW)
        assert claim.holds[:2] == [LOST] * 2 and LOST not in claim.holds[2:]
        assert claim.records[:2] == [None] * 2 and None not in claim.records[2:]


def _opened(server: QdrantServer) -> Store:
    """The store, however many tries that takes."""
    for _ in range(200):
        try:
            return StoreSite(server.url).open()
        except StoreUnavailable:
            continue
    raise AssertionError("the store could not be opened")


# --- all at once


def run(server: QdrantServer, processes: int, late_share: float, draw: int | None = None) -> tuple[int, int]:
    """How many users came out wrong, and how many requests were not answered. draw: a token that never changes."""
    with ExitStack() as stack:
        stores = [
            stack.enter_context(StoreSite(server.url, {"batch_points": 8}).open()) for _ in range(processes)
        ]
        for number, store in enumerate(stores):
            if draw is not None:
                assert isinstance(store, EngineStore)
                store.users._writer = Writer(lambda number=number: draw + number)
        crew = [Process(store) for store in stores]
        server.late_share = late_share

        def settle() -> None:
            server.late_share = 0.0
            time.sleep(server.late_s + 0.5)

        wrong = wrong_users(crew, USERS, settle=settle)
        counts = sum((process.counts for process in crew), start=crew[0].counts.__class__())
        assert counts["refused"] + counts["lost"] > 20, "the writers did not meet"
        return wrong, counts["unanswered"]


def test_many_writers_lose_and_repeat_nothing(server: QdrantServer) -> None:
    """Three processes with two lanes each write random users at a time, and every user comes to what it should."""
    assert run(server, processes=3, late_share=0.0) == (0, 0)


def test_many_writers_with_late_requests_lose_and_repeat_nothing(server: QdrantServer) -> None:
    """The same where a seventh of the claims and writes is answered as failed and carried out up to .6 s later."""
    wrong, unanswered = run(server, processes=3, late_share=0.15)
    assert wrong == 0 and unanswered > 20


def test_without_another_token_late_requests_do_harm(server: QdrantServer) -> None:
    """This test bench notices: with tokens that stay the same the same late requests leave users wrong."""
    wrong, _ = run(server, processes=3, late_share=0.15, draw=1000)
    assert wrong > 0


def test_threads_of_one_folder_lose_and_repeat_nothing(folder: Path) -> None:
    """The same with the lanes of the one process that has an embedded store."""
    with StoreSite(str(folder / "store"), {"batch_points": 8}).open() as store:
        assert wrong_users([Process(store)], USERS, lanes=5) == 0


def test_writers_of_two_replicas_lose_and_repeat_nothing(folder: Path) -> None:
    """The same where each point has two replicas, which take racing requests in different orders unless asked not to."""
    with QdrantServer(folder / "qdrant", replicas=2) as server:
        assert run(server, processes=3, late_share=0.1)[0] == 0
