"""Fences on a server: racing workers, answers that come late, stores from before there were fences."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import grpc
import numpy as np
import pytest

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.errors import FenceRefused, PointRefused, StoreUnavailable
from sinks.fence import FENCE, Fence
from sinks.points import UserPoints, user_point_id
from sinks.protocols import Store
from sinks.server import ServerEngine
from sinks.store import EngineStore
from sinks.writer import WRITER
from support.qdrant_server import QdrantServer
from support.store_points import Place, assert_users_equal, some_users

pytestmark = pytest.mark.server

NAMES = [f"user-{n}" for n in range(20)]


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    with QdrantServer(folder / "qdrant") as server:
        yield server


def take(store: Store, lane: int) -> Fence:
    fences = store.take_fences([lane])
    assert fences is not None
    return fences[lane]


def users_of(store: Store) -> Collection:
    assert isinstance(store, EngineStore)
    return store.users._collection


def together(*works: Callable[[], None]) -> None:
    """Run in threads that start at the same time; the first error is raised."""
    start, errors = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_folder_needs_no_fences(folder: Path) -> None:
    """The embedded store is held by one process, so that it gives none."""
    with Place(str(folder / "store")).open() as store:
        assert store.take_fences([0, 1]) is None


# --- races


def test_racing_takers_get_different_rising_tokens(server: QdrantServer) -> None:
    """Workers that take the same lanes at once get tokens of their own, later ones higher ones."""
    lanes = [0, 1, 2]
    takings: list[tuple[float, float, dict[int, Fence]]] = []

    def work() -> None:
        with Place(server.url).open() as store:
            for _ in range(10):
                begun = time.monotonic()
                fences = store.take_fences(lanes)
                assert fences is not None and sorted(fences) == lanes
                takings.append((begun, time.monotonic(), fences))

    together(*[work] * 4)
    assert len(takings) == 40
    for lane in lanes:
        tokens = [fences[lane].token for _, _, fences in takings]
        assert len(set(tokens)) == 40
        for _, done, fences in takings:
            later = [other[lane].token for begun, _, other in takings if begun > done]
            assert all(token > fences[lane].token for token in later)
    with Place(server.url).open() as store:
        last = {lane: max((f[lane] for _, _, f in takings), key=lambda f: f.token) for lane in lanes}
        store.users.write(some_users(NAMES), last[0])


def test_racing_draws_give_different_rising_numbers(server: QdrantServer) -> None:
    """No number is drawn twice, and one that is drawn later is higher, however many draw at once."""
    draws: list[tuple[float, float, int]] = []

    def work(name: str) -> None:
        with Place(server.url).open() as store:
            assert isinstance(store, EngineStore)
            for n in range(15):
                begun = time.monotonic()
                number = store._fences._counter.draw(f"{name}-{n}")
                draws.append((begun, time.monotonic(), number))

    together(*[lambda name=name: work(name) for name in "abcdef"])
    numbers = [number for _, _, number in draws]
    assert len(numbers) == len(set(numbers)) == 90
    for _, done, number in draws:
        assert all(later > number for begun, _, later in draws if begun > done)


def test_no_user_goes_below_an_acknowledged_fence(server: QdrantServer) -> None:
    """However writers of one lane race, a user never carries a lower token than an acknowledged write gave."""
    acknowledged, done, refused = [0], threading.Event(), list[int]()
    keys = [user_point_id(user_id) for user_id in NAMES]

    def write(seed: int) -> None:
        rng = np.random.default_rng(seed)
        points = some_users(NAMES, seed)
        with Place(server.url, {"batch_points": 8}).open() as store:
            for _ in range(12):
                fence = take(store, 0)
                for _ in range(4):
                    time.sleep(rng.uniform(0, 0.01))
                    try:
                        store.users.write(points, fence)
                    except FenceRefused:
                        refused.append(fence.token)
                    else:
                        acknowledged.append(max(acknowledged[-1], fence.token))

    def look() -> None:
        with Place(server.url).open() as store:
            while not done.is_set():
                least = acknowledged[-1]
                found = users_of(store).retrieve(keys, with_vectors=False)
                assert all(point.payload[FENCE] >= least for point in found)
                assert not least or len(found) == len(keys)

    def writers() -> None:
        try:
            together(*[lambda seed=seed: write(seed) for seed in range(4)])
        finally:
            done.set()

    together(writers, look)
    assert len(acknowledged) > 20 and len(refused) > 20


def test_racing_workers_lose_and_repeat_nothing(server: QdrantServer) -> None:
    """Workers that take a lane from each other at any moment apply every event of its log exactly once."""
    n_events, n_users = 400, 7
    rng = np.random.default_rng(0)
    whose, amount = rng.integers(0, n_users, n_events), rng.integers(1, 100, n_events)
    committed, refused = [0], list[int]()

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        with Place(server.url, {"batch_points": 2}).open() as store:
            while committed[-1] < n_events:
                time.sleep(rng.uniform(0, 0.02))
                fence = take(store, 0)
                position = committed[-1]
                known = counted(store, n_users)
                for _ in range(3):
                    until = min(position + 8, n_events)
                    touched = set[int]()
                    for offset in range(position, until):
                        user = int(whose[offset])
                        total, mark = known[user]
                        if offset > mark:
                            known[user] = total + int(amount[offset]), offset
                            touched.add(user)
                    try:
                        store.users.write(counting(sorted(touched), known), fence)
                    except FenceRefused:
                        refused.append(fence.token)
                        break
                    position = until
                    committed.append(max(committed[-1], position))

    together(*[lambda seed=seed: work(seed) for seed in range(3)])
    with Place(server.url).open() as store:
        totals = [total for total, _ in counted(store, n_users)]
    assert totals == [int(amount[whose == user].sum()) for user in range(n_users)]
    assert len(refused) > 5


def counting(users: list[int], known: list[tuple[int, int]]) -> UserPoints:
    points = some_users([f"user-{user}" for user in users])
    return replace(
        points,
        states=[known[user][0].to_bytes(8, "little") for user in users],
        watermarks=[{"log": known[user][1]} for user in users],
    )


def counted(store: Store, n_users: int) -> list[tuple[int, int]]:
    """Per user the sum and the offset up to which it goes."""
    records = store.users.read([f"user-{user}" for user in range(n_users)])
    return [
        (0, -1) if record is None else (int.from_bytes(record.state, "little"), record.watermarks["log"])
        for record in records
    ]


# --- answers that come late, or not at all


def test_late_request_does_not_undo_a_newer_write(server: QdrantServer) -> None:
    """A write that timed out and is applied later still does not replace what was written since."""
    first, second = some_users(NAMES, seed=1), some_users(NAMES, seed=2)
    with Place(server.url, {"timeout_s": 0.5}).open() as store:
        fence = take(store, 0)
        store.users.write(first, fence)
        server.delay_s = 60.0
        with pytest.raises(StoreUnavailable, match="no answer"):
            store.users.write(first, fence)
        server.delay_s = 0.0
        store.users.write(second, fence)
        assert_users_equal(store.users.read(NAMES), second)
        # Only now is the first request let through: a server that stops cuts its delays short.
        before = server.calls["Upsert"]
        server.stop()
        server.start()
        assert server.calls["Upsert"] == before
        with Place(server.url).open() as again:
            assert_users_equal(again.users.read(NAMES), second)


def test_lost_answer_is_written_again_under_the_fence(server: QdrantServer) -> None:
    """After an error the same fence goes on, whichever request it was and whether that had happened or not."""
    points = some_users(NAMES)
    with Place(server.url).open() as store:
        fence = take(store, 0)
        for applied in (True, False):
            for failures in range(1, 5):
                server.fail_next(failures, grpc.StatusCode.INTERNAL, applied)
                for _ in range(failures):
                    with pytest.raises(StoreUnavailable):
                        store.users.write(points, fence)
                store.users.write(points, fence)
        assert_users_equal(store.users.read(NAMES), points)


def test_fence_is_not_renewed_over_a_successor(server: QdrantServer) -> None:
    """A worker whose write failed, and who lost the lane meanwhile, is refused and changes nothing."""
    first, second = some_users(NAMES, seed=1), some_users(NAMES, seed=2)
    with Place(server.url).open() as store, Place(server.url).open() as other:
        fence = take(store, 0)
        server.fail_next(1)
        with pytest.raises(StoreUnavailable):
            store.users.write(first, fence)
        successor = take(other, 0)
        other.users.write(second, successor)
        for _ in range(2):
            with pytest.raises(FenceRefused):
                store.users.write(first, fence)
        other.users.write(second, successor)
        assert_users_equal(other.users.read(NAMES), second)


def test_bad_points_leave_the_fence_as_it_is(server: QdrantServer) -> None:
    """Points that are refused here never reach the server, nor does anything else."""
    good = some_users(NAMES)
    with Place(server.url).open() as store:
        fence = take(store, 0)
        before = server.calls.copy()
        with pytest.raises(PointRefused):
            store.users.write(replace(good, fused=good.fused * np.nan), fence)
        assert server.calls == before
        store.users.write(good, fence)
        # Read back afterwards: the lane's own point, and which version is live.
        assert server.calls - before == {"Upsert": 1, "Get": 2}


def test_writes_get_through_where_a_third_of_the_requests_fail(server: QdrantServer) -> None:
    """A write asks several times over and is still seldom sent anew: what it has to read is asked again by itself."""
    points = some_users(NAMES)
    with Place(server.url).open() as store:
        fence = take(store, 0)
        server.fail_share = 0.3
        tries = written = 0
        while written < 50 and tries < 1000:
            tries += 1
            try:
                store.users.read(NAMES)
                store.users.write(points, fence)
            except StoreUnavailable:
                continue
            written += 1
        server.fail_share = 0.0
        assert written == 50 and tries <= 3 * written, tries
        assert_users_equal(store.users.read(NAMES), points)


def test_takings_survive_failing_requests(server: QdrantServer) -> None:
    """With a share of requests failing, takings that are tried again succeed, with rising tokens."""
    fences = []
    with Place(server.url).open() as store:
        server.fail_share = 0.2
        deadline = time.monotonic() + 30
        while len(fences) < 10 and time.monotonic() < deadline:
            try:
                fences.append(take(store, 0))
            except StoreUnavailable:
                continue
        server.fail_share = 0.0
        assert len(fences) == 10
        assert all(one.token < other.token for one, other in pairwise(fences))
        store.users.write(some_users(NAMES), fences[-1])


# --- indexes


def index_types(server: QdrantServer) -> dict[str, str]:
    engine = ServerEngine(server.url, StoreConfig())
    info = engine._info("users")
    engine.close()
    return {name: str(field.data_type) for name, field in info.payload_schema.items()}


def test_new_store_has_the_index(server: QdrantServer) -> None:
    """A store is created with the indexes of fences and writers."""
    Place(server.url).open().close()
    assert sorted(index_types(server)) == [FENCE, WRITER]
