"""What fences do, whichever engine keeps the points. Subclasses inherit from `StoreContract` too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from contract.store_contract import Names
from sinks.errors import FenceRefused, PointRefused
from sinks.fence import FENCE, Fence
from sinks.points import UserPoints, user_point_id
from sinks.protocols import Store
from sinks.store import EngineStore
from support.store_points import DIM, Place, assert_users_equal, some_users


def take(store: Store, *lanes: int) -> dict[int, Fence]:
    """Fences on any engine, also on one whose store never asks for any."""
    assert isinstance(store, EngineStore)
    fences = store.take_fences(lanes)
    return store._fences.take(lanes) if fences is None else fences


def kept_fences(store: Store, user_ids: list[str]) -> list[int | None]:
    """The tokens that the users' points carry."""
    assert isinstance(store, EngineStore)
    found = store.users._collection.retrieve([user_point_id(user_id) for user_id in user_ids], False)
    by_id = {point.payload["user_id"]: point.payload.get(FENCE) for point in found}
    return [by_id[user_id] for user_id in user_ids]


class FenceContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    def test_fenced_users_are_read_as_written(self, store: Store, names: Names) -> None:
        """A fence changes nothing in what is read, and every user written under it carries its token."""
        points = some_users(names(40))
        fence = take(store, 3)[3]
        for _ in range(2):
            store.users.write(points, fence)
        assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)
        assert kept_fences(store, points.user_ids) == [fence.token] * 40

    def test_later_takings_have_higher_tokens(self, store: Store) -> None:
        """Tokens rise from taking to taking, whatever the lane; the lanes of one taking are all there."""
        tokens = []
        for lanes in ((0, 1), (7,), (1,), (0, 1, 7, 500)):
            fences = take(store, *lanes)
            assert sorted(fences) == sorted(lanes)
            assert all(fence.lane == lane for lane, fence in fences.items())
            tokens.append(min(fence.token for fence in fences.values()))
            assert max(fence.token for fence in fences.values()) < tokens[0] + 100
        assert tokens == sorted(set(tokens))
        assert take(store) == {}

    def test_lanes_are_not_users(self, place: Place, names: Names) -> None:
        """No scan shows a lane's point, whatever the size of its batches."""
        with place.open() as store:
            points = some_users(names(10))
            store.users.write(points, take(store, *range(20))[0])
            for batch in (1, 7, 100):
                scanned = [record.user_id for page in store.users.scan(batch, True) for record in page]
                assert sorted(scanned) == sorted(points.user_ids)

    def test_zombie_overwrites_nothing(self, store: Store, names: Names) -> None:
        """After another taking, a write under the old fence changes no user of the new one, and is told so."""
        before, after = some_users(names(8), seed=1), some_users(names(8), seed=2)
        zombie = take(store, 5)[5]
        store.users.write(before, zombie)
        successor = take(store, 5)[5]
        store.users.write(after, successor)
        with pytest.raises(FenceRefused, match="lane 5"):
            store.users.write(before, zombie)
        assert_users_equal(store.users.read(after.user_ids, True), after, vectors=True)
        assert kept_fences(store, after.user_ids) == [successor.token] * 8

    def test_zombie_overwrites_no_blob_of_its_successor(self, store: Store) -> None:
        """A blob written under a later fence is left alone, and whoever lost the lane is told, whatever it wrote."""
        zombie = take(store, 5)[5]
        store.put_blob("counts", b"zombie", zombie)
        successor = take(store, 5)[5]
        store.put_blob("counts", b"successor", successor)
        for name in ("counts", "never written"):
            with pytest.raises(FenceRefused, match="lane 5"):
                store.put_blob(name, b"zombie again", zombie)
        assert store.get_blob("counts") == b"successor"
        store.put_blob("counts", b"more", successor)
        assert store.get_blob("counts") == b"more"

    def test_zombie_with_new_users_is_told(self, store: Store, names: Names) -> None:
        """A write under an old fence of users that nobody wrote before is refused too, and gives way later."""
        points = some_users(names(3), seed=1)
        zombie = take(store, 6)[6]
        successor = take(store, 6)[6]
        with pytest.raises(FenceRefused):
            store.users.write(points, zombie)
        later = some_users(names(3), seed=2)
        store.users.write(later, successor)
        assert_users_equal(store.users.read(later.user_ids, True), later, vectors=True)
        with pytest.raises(FenceRefused):
            store.users.write(points, zombie)
        assert_users_equal(store.users.read(later.user_ids, True), later, vectors=True)

    def test_lanes_do_not_disturb_each_other(self, store: Store, names: Names) -> None:
        """Taking one lane refuses nothing in another."""
        kept = take(store, 1, 2)
        take(store, 1)
        points = some_users(names(4))
        store.users.write(points, kept[2])
        assert_users_equal(store.users.read(points.user_ids), points)

    def test_writes_without_a_fence_replace_all(self, store: Store, names: Names) -> None:
        """A write without a fence, as a replay makes, replaces fenced users and leaves them open to any fence."""
        fence = take(store, 9)[9]
        first, second, third = (some_users(names(5), seed=seed) for seed in range(3))
        store.users.write(first, fence)
        store.users.write(second)
        assert_users_equal(store.users.read(second.user_ids), second)
        assert kept_fences(store, second.user_ids) == [None] * 5
        store.users.write(third, fence)
        assert_users_equal(store.users.read(third.user_ids), third)

    def test_last_of_one_user_wins_under_a_fence(self, store: Store, names: Names) -> None:
        """Of several rows of one user in a fenced write the last one is kept."""
        a, b = names(2)
        points = some_users([a, b, a])
        store.users.write(points, take(store, 2)[2])
        first, second = store.users.read([a, b])
        assert first is not None and second is not None
        assert (first.state, second.state) == (points.states[2], points.states[1])

    def test_fenced_writes_of_any_size(self, place: Place, names: Names) -> None:
        """Bounds on requests change nothing under a fence either, and `before` is called for each request."""
        points = some_users(names(50))
        calls: list[None] = []
        with place.open(batch_points=7) as store:
            fence = take(store, 0)[0]
            store.users.write(points, fence, before=lambda: calls.append(None))
            assert len(calls) == 8
            assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)
            store.users.write(some_users([]), fence, before=lambda: calls.append(None))
            assert len(calls) == 8

    @pytest.mark.parametrize("fenced", [True, False])
    def test_before_may_stop_a_write(self, place: Place, names: Names, fenced: bool) -> None:
        """What `before` raises ends the write: later requests are not sent, and the fence can be used again."""
        points = some_users(names(50))
        requests = iter([None, None, StopAsyncIteration("no more")])

        def before() -> None:
            if (error := next(requests)) is not None:
                raise error

        with place.open(batch_points=10) as store:
            fence = take(store, 0)[0] if fenced else None
            with pytest.raises(StopAsyncIteration, match="no more"):
                store.users.write(points, fence, before)
            assert sum(record is not None for record in store.users.read(points.user_ids)) == 20
            store.users.write(points, fence)
            assert_users_equal(store.users.read(points.user_ids), points)

    def test_bad_users_are_refused_before_a_fenced_write(self, store: Store, names: Names) -> None:
        """Points are checked before anything is sent; `check` says the same and writes nothing."""
        good = some_users(names(3), seed=2)
        bad = replace(good, fused=np.full((3, DIM), np.nan, np.float32))
        fence = take(store, 4)[4]
        writes: list[Callable[[UserPoints], None]] = [
            lambda points: store.users.write(points, fence),
            store.users.check,
        ]
        for write in writes:
            with pytest.raises(PointRefused, match="not finite"):
                write(bad)
        store.users.check(good)
        assert store.users.read(good.user_ids) == [None] * 3
        store.users.write(good, fence)

    def test_tokens_rise_after_a_restored_counter(self, place: Place, names: Names) -> None:
        """Where the counter was put back from an older backup than the users, takings still have the lane."""
        points = some_users(names(3))
        with place.open() as store:
            assert isinstance(store, EngineStore)
            for _ in range(30):
                old = take(store, 0)[0]
            store.users.write(points, old)
            counter = store._fences._counter
            counter._meta.delete([point.key for point in counter._meta.scroll(10, None, None, False)[0]])
            new = take(store, 0)[0]
            assert new.token > old.token
            store.users.write(points, new)
            assert kept_fences(store, points.user_ids) == [new.token] * 3
