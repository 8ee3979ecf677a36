"""What versions of users and items do, whichever engine keeps them. Subclasses inherit from `StoreContract` too."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from contract.store_contract import Names
from sinks.errors import (
    FillerReplaced,
    FreezeLost,
    PointRefused,
    StoreError,
    StoreMismatch,
    StoreMoved,
    StoreUnavailable,
)
from sinks.points import item_key
from sinks.protocols import Store
from sinks.versions import FREEZE_PATIENCE_S, Live, Version, VersionRecord
from sinks.writer import NEW as NEW_USER
from support.data.store_points import (
    DIM,
    StoreSite,
    assert_users_equal,
    put_users,
    some_items,
    some_users,
    unit_rows,
)

NEW = Version("m2", model="model-2", settings='{"gain": 2}')
TOWER = Version("m3", model="model-3", tower=True)


def activate(store: Store, name: str) -> None:
    with store.versions.switching() as switch:
        switch.activate(name)


class VersionContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    def test_a_store_has_one_version_at_first(self, site: StoreSite) -> None:
        """A new store is of its first version, which nobody has to know of; who makes its vectors can be said later."""
        with site.open() as store:
            assert store.versions.opened == Version() == store.versions.read().all[store.versions.read().live]
            store.versions.describe("model-1", "{}")
            assert (store.versions.opened.model, store.versions.opened.settings) == ("model-1", "{}")
        with site.open(create=False) as again:
            assert again.versions.opened == Version(model="model-1", settings="{}")

    def test_a_version_is_filled_beside_the_live_one(self, site: StoreSite, names: Names) -> None:
        """What is written into a new version is seen there and nowhere else, until it is switched to."""
        old, new = some_users(names(30), seed=1), some_users(names(30), seed=2)
        old_items, new_items = some_items(20), replace(some_items(20, seed=7), titles=["new"] * 20)
        with site.open() as store:
            put_users(store.users, old)
            store.items.write(old_items)
            draft = store.versions.begin(NEW)
            put_users(draft.users, new)
            draft.items.write(new_items)
            assert_users_equal(store.users.read(old.user_ids, True), old, vectors=True)
            assert_users_equal(draft.users.read(old.user_ids, True), new, vectors=True)
            (record,) = store.items.read([item_key("item-0")])
            assert record is not None and record.title == "Title 0"
            activate(store, NEW.name)
        with site.open(create=False) as again:
            assert again.versions.opened == NEW
            assert_users_equal(again.users.read(old.user_ids, True), new, vectors=True)
            assert {item.title for item in again.items.search(np.ones(DIM, np.float32), 50)} == {"new"}
            assert again.items.count() == 20
            assert sorted(user.user_id for page in again.users.scan(7) for user in page) == sorted(
                new.user_ids
            )

    def test_a_version_that_was_begun_is_gone_on_with(self, site: StoreSite, names: Names) -> None:
        """Opened again, and begun again, a version has what was written to it; the store is still of the old one."""
        points = some_users(names(9))
        with site.open() as store:
            draft = store.versions.begin(NEW)
            put_users(draft.users, points)
        with site.open() as store:
            assert store.versions.opened == Version()
            draft = store.versions.begin(NEW)
            assert_users_equal(draft.users.read(points.user_ids), points)
            with pytest.raises(StoreMismatch, match="model-2"):
                store.versions.begin(replace(NEW, model="other"))

    def test_searched_vectors_may_differ_from_base_vectors(self, site: StoreSite) -> None:
        """In a version with a tower items are searched by the model's vectors and read with both."""
        items = replace(some_items(50), searched=unit_rows(np.random.default_rng(3), 50))
        assert items.searched is not None
        with site.open() as store:
            draft = store.versions.begin(TOWER)
            draft.items.write(items)
            with pytest.raises(PointRefused, match="model's vectors"):
                draft.items.write(some_items(1))
            with pytest.raises(PointRefused, match="one vector"):
                store.items.write(items)
            activate(store, TOWER.name)
        with site.open() as store:
            keys = [item_key(item_id) for item_id in items.item_ids]
            for row, record in enumerate(store.items.read(keys, with_vectors=True)):
                assert record is not None and record.vector is not None and record.searched is not None
                np.testing.assert_allclose(record.vector, items.vectors[row], atol=1e-6)
                np.testing.assert_allclose(record.searched, items.searched[row], atol=1e-6)
            query = unit_rows(np.random.default_rng(4), 1)[0]
            best = np.argsort(-(items.searched @ query))[:5]
            assert [item.item_id for item in store.items.search(query, 5)] == [f"item-{row}" for row in best]
            np.testing.assert_allclose(
                store.items.contents(["content-3"])["content-3"], items.vectors[3], atol=1e-6
            )

    def test_a_store_may_begin_with_a_tower(self, site: StoreSite) -> None:
        """A store that is made for a model has what the model needs from the beginning."""
        first = Version(model="model-1", tower=True)
        with site.open(first=first) as store:
            assert store.versions.opened == first
            store.items.write(replace(some_items(3), searched=unit_rows(np.random.default_rng(1), 3)))
        with site.open() as again:
            assert again.versions.opened == first and again.items.count() == 3

    def test_dropped_versions_are_gone(self, site: StoreSite, names: Names) -> None:
        """A version that is not live can be dropped, also twice and with the first; its name can be used again."""
        points = some_users(names(3))
        with site.open() as store:
            put_users(store.users, points)
            draft = store.versions.begin(NEW)
            put_users(draft.users, points)
            with pytest.raises(StoreError, match="live"):
                store.versions.drop("")
            store.versions.drop(NEW.name)
            store.versions.drop(NEW.name)
            assert list(store.versions.read().all) == [""]
            assert store.versions.begin(NEW).users.read(points.user_ids) == [None] * 3
            activate(store, NEW.name)
        with site.open() as store:
            store.versions.drop("")
            assert list(store.versions.read().all) == [NEW.name]
            put_users(store.users, points)
        with site.open(create=False) as store:
            assert_users_equal(store.users.read(points.user_ids), points)

    def test_a_version_is_filled_by_claims(self, site: StoreSite, names: Names) -> None:
        """Users of a version that is filled are claimed and written there, and the live ones stay whose they are."""
        old, new = some_users(names(20), seed=1), some_users(names(20), seed=2)
        with site.open() as store:
            holds = put_users(store.users, old)
            draft = store.versions.begin(NEW)
            put_users(draft.users, new)
            assert store.users.write(old, holds).all()
            activate(store, NEW.name)
        with site.open() as store:
            claim = store.users.claim(old.user_ids)
            assert_users_equal(claim.records, new)
            assert store.users.write(old, claim.holds).all()

    def test_progress_goes_along_with_a_switch(self, site: StoreSite, names: Names) -> None:
        """After a switch sources are as far as they were in the old version, and never less far than they were."""
        with site.open() as store:
            numbers = store.sources.numbers([f"source-{n}" for n in range(300)])
            store.sources.advance({number: 10 + number for number in numbers.values()})
            put_users(store.versions.begin(NEW).users, some_users(names(4)))
            store.sources.advance({1: 1000})
            activate(store, NEW.name)
        with site.open() as store:
            assert store.sources.numbers(list(numbers)) == numbers
            expected = {number: 10 + number for number in numbers.values()} | {1: 1000}
            assert store.sources.progress(numbers.values()) == expected
            assert store.users.count() == 4
            store.sources.advance({1: 1001, 2: 3})
            assert store.sources.progress([1, 2]) == {1: 1001, 2: 12}

    def test_progress_is_copied_when_all_users_are(self, site: StoreSite) -> None:
        """Progress that is raised while a switch is under way, the last moment before it, goes along."""
        with site.open() as store:
            store.versions.begin(NEW)
            store.sources.advance({1: 5})
            with store.versions.switching() as switch:
                # As a writer's that was confirmed before the freeze, and is carried out now.
                store._progress.raise_to({1: 8, 2: 3})  # type: ignore[attr-defined]
                switch.activate(NEW.name)
        with site.open() as store:
            assert store.sources.progress([1, 2]) == {1: 8, 2: 3}

    def test_names_of_versions_are_plain(self, store: Store) -> None:
        """A name that could be no folder or collection is refused."""
        for name in ("", "a/b", "a b", "x" * 101):
            with pytest.raises(StoreError, match="named by"):
                store.versions.begin(Version(name))

    def test_a_switch_that_fails_changes_nothing(self, site: StoreSite, names: Names) -> None:
        """An error between freeze and switch leaves the old version live and lets writers continue."""
        points = some_users(names(3))
        with site.open() as store:
            store.versions.begin(NEW)
            with pytest.raises(ZeroDivisionError), store.versions.switching() as switch:
                switch.renew()
                1 / 0
            assert store.versions.read().frozen == "" and store.versions.read().live == ""
            put_users(store.users, points)

    def test_a_broken_freeze_prevents_the_switch(self, site: StoreSite) -> None:
        """Writers that continued during a switch make it fail: what they wrote would be missing."""
        with site.open() as store:
            store.versions.begin(NEW)
            record: VersionRecord = store.versions._record  # type: ignore[attr-defined]
            with pytest.raises(FreezeLost), store.versions.switching() as switch:
                seen = record.read()
                assert seen.frozen
                assert record.set(seen, replace(seen, frozen="")) is not None
                switch.activate(NEW.name)
            assert store.versions.read().live == ""

    def test_waiting_writers_break_a_freeze_that_was_left(self, site: StoreSite) -> None:
        """A process that froze the store and was killed keeps nobody waiting for long; one that is renewed is respected."""
        now = 0.0
        with site.open() as store:
            record: VersionRecord = store.versions._record  # type: ignore[attr-defined]
            live = Live(record, "", clock=lambda: now)
            live.confirm()
            with pytest.raises(FreezeLost), store.versions.switching() as switch:
                for _ in range(3):
                    with pytest.raises(StoreUnavailable):
                        live.confirm()
                    switch.renew()
                    now += FREEZE_PATIENCE_S + 1
                with pytest.raises(StoreUnavailable):
                    live.confirm()
                now += FREEZE_PATIENCE_S + 1
                live.confirm()  # broken
                switch.renew()
            assert store.versions.read().frozen == ""

    def test_racing_changes_are_all_kept(self, site: StoreSite) -> None:
        """Versions begun at the same time are all there."""
        with site.open() as store:
            names = [f"v{number}" for number in range(4)]
            threads = [threading.Thread(target=store.versions.begin, args=(Version(name),)) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert set(store.versions.read().all) == {"", *names}


class SharedVersionContract:
    """What holds of stores that several processes have open: each `StoreSite.open` is one."""

    def test_writers_of_the_old_version_are_told(self, site: StoreSite, names: Names) -> None:
        """After a switch no write to the old version returns, whether of users or of items."""
        points = some_users(names(5), seed=1)
        with site.open() as writer, site.open() as switcher:
            put_users(writer.users, points)
            switcher.versions.begin(NEW)
            activate(switcher, NEW.name)
            for write in (
                lambda: put_users(writer.users, points),
                lambda: writer.items.write(some_items(2)),
                lambda: writer.items.add(some_items(2)),
                lambda: writer.items.delete([1]),
            ):
                with pytest.raises(StoreMoved, match="model-2"):
                    write()
            with site.open() as reader:
                assert reader.users.read(points.user_ids) == [None] * 5
                assert reader.items.count() == 0
                put_users(reader.users, points)

    def test_holders_of_the_old_version_are_told(self, site: StoreSite, names: Names) -> None:
        """After a switch no write under a hold returns, and no progress rises in the old version."""
        points = some_users(names(5), seed=1)
        with site.open() as writer, site.open() as switcher:
            holds = put_users(writer.users, points)
            writer.sources.advance({1: 3})
            switcher.versions.begin(NEW)
            activate(switcher, NEW.name)
            with pytest.raises(StoreMoved, match="model-2"):
                writer.users.write(points, holds)
            with pytest.raises(StoreMoved, match="model-2"):
                writer.sources.advance({1: 9})
            assert writer.sources.progress([1]) == {1: 3}
            with site.open() as reader:
                assert reader.sources.progress([1]) == {1: 3}
                assert reader.users.read(points.user_ids) == [None] * 5

    def test_progress_waits_for_a_switch(self, site: StoreSite, names: Names) -> None:
        """While a store is frozen no progress rises and no write under a hold returns; both can be repeated."""
        points = some_users(names(5))
        with site.open() as writer, site.open() as switcher:
            holds = put_users(writer.users, points)
            with switcher.versions.switching():
                with pytest.raises(StoreUnavailable, match="switch"):
                    writer.users.write(points, holds)
                with pytest.raises(StoreUnavailable, match="switch"):
                    writer.sources.advance({1: 9})
                assert writer.sources.progress([1]) == {1: 0}
            claim = writer.users.claim(points.user_ids)
            assert_users_equal(claim.records, points)
            assert writer.users.write(points, claim.holds).all()
            writer.sources.advance({1: 9})
            assert writer.sources.progress([1]) == {1: 9}

    def test_the_later_one_that_fills_a_version_goes_on(self, site: StoreSite, names: Names) -> None:
        """The earlier one is told by its next write, changes nothing of what the later one claimed, and stays told."""
        points, stale = some_users(names(5)), some_users(names(5), seed=4)
        with site.open() as one, site.open() as two:
            first = one.versions.begin(NEW)
            holds = put_users(first.users, stale)
            second = two.versions.begin(NEW)
            put_users(second.users, points)
            for _ in range(2):
                with pytest.raises(FillerReplaced, match="m2"):
                    first.users.write(stale, holds)
            assert_users_equal(second.users.read(points.user_ids), points)
            two.versions.drop(NEW.name)
            with pytest.raises(StoreError):
                second.users.write(points, [NEW_USER] * 5)

    def test_writers_wait_for_a_switch(self, site: StoreSite, names: Names) -> None:
        """While a store is frozen no write returns; each can be repeated, and returns when the switch was called off."""
        points = some_users(names(5))
        with site.open() as writer, site.open() as switcher:
            with switcher.versions.switching():
                with pytest.raises(StoreUnavailable, match="switch"):
                    put_users(writer.users, points)
                with pytest.raises(StoreUnavailable, match="switch"):
                    writer.items.write(some_items(2))
            put_users(writer.users, points)

    def test_a_version_that_was_dropped_says_so(self, site: StoreSite, names: Names) -> None:
        """A process that still has the old version open when it is dropped is told of the switch by the next call."""
        points = some_users(names(2))
        with site.open() as old, site.open() as switcher:
            holds = put_users(old.users, points)
            switcher.versions.begin(NEW)
            activate(switcher, NEW.name)
            with site.open() as store:
                store.versions.drop("")
            for call in (
                lambda: old.users.read(points.user_ids),
                lambda: old.users.write(points, holds),
                lambda: old.users.claim(points.user_ids),
                lambda: old.items.read([1]),
                lambda: old.items.search(np.ones(DIM, np.float32), 3),
            ):
                with pytest.raises(StoreMoved, match="model-2"):
                    call()
