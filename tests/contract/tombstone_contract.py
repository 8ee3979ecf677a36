"""What becomes of users who are forgotten or dropped, whichever engine. Subclasses inherit from `StoreContract` too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.store_contract import Names
from sinks.collection import PointBatch
from sinks.meta import Identity, Meta
from sinks.points import named_id, user_point_id
from sinks.protocols import Store
from sinks.store import EngineStore
from sinks.tombstones import SINCE
from sinks.versions import Version
from sinks.writer import FORGOTTEN, NEW
from support.data.store_points import DIM, StoreSite, put_users, some_users


class TombstoneContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    def test_a_forgotten_user_is_gone_and_can_not_be_written(self, store: Store, names: Names) -> None:
        """Nobody reads, scans or counts the user; a claim says so, and who held the user is refused, as is an insert."""
        points, before = some_users(names(6)), store.users.count()
        holds = put_users(store.users, points)
        absent = names(2, start=20)
        claim = store.users.claim(absent)
        gone = [*points.user_ids[:3], *absent]
        assert store.users.tombstones.forget(gone, 100.0) == 3
        assert store.users.tombstones.forget(gone, 50.0) == 0  # the later time stays
        assert store.users.read(gone) == [None] * 5
        scanned = {user.user_id for page in store.users.scan(7) for user in page}
        assert scanned.intersection(points.user_ids) == set(points.user_ids[3:])
        assert store.users.count() == before + 3
        if not store.exclusive:
            assert store.users.write(points, holds).tolist() == [False] * 3 + [True] * 3
            late = store.users.write(some_users(absent), claim.holds, token=claim.token)
            assert late.tolist() == [False, False]
        assert store.users.claim(gone).holds == [FORGOTTEN] * 5
        with pytest.raises(ValueError, match="FORGOTTEN"):
            store.users.write(some_users(gone[:1]), [FORGOTTEN])
        store.users.delete(gone)
        assert store.users.claim(gone).holds == [FORGOTTEN] * 5
        found = {key: it for page in store.users.tombstones.pages(3) for key, it in page.items()}
        assert {key: found[key] for key in map(user_point_id, gone)} == {
            user_point_id(user): {"tombstone": 1, "forgotten_at": 100_000_000} for user in gone
        }

    def test_nothing_of_the_user_stays_in_the_point(self, store: Store, names: Names) -> None:
        """The point has no vector, and of the payload nothing but the time and what a writer needs."""
        assert isinstance(store, EngineStore)
        (user,) = names(1)
        put_users(store.users, some_users([user]))
        store.users.tombstones.forget([user], 7.0)
        (found,) = store.users._collection.retrieve([user_point_id(user)], True)
        assert found.vectors == {}
        assert set(found.payload) <= {"tombstone", "forgotten_at", "writer", "fence"}

    def test_consent_lets_the_user_begin_again_from_its_time_on(self, store: Store, names: Names) -> None:
        """It must be later than the forgetting; the user is new then, with a mark that stays through writes and emptying."""
        before = store.users.count()
        user, stranger = names(2)
        put_users(store.users, some_users([user]))
        store.users.tombstones.forget([user], 100.0)
        consent = store.users.tombstones.consent
        assert consent([user, stranger], 100.0) == [False, False]
        assert consent([user, stranger], 100.5) == [True, False]
        assert consent([user], 200.0) == [False]  # the first one counts
        claim = store.users.claim([user, stranger])
        assert claim.holds == [claim.token, NEW]
        (record, _) = claim.records
        assert record is not None and (record.state, record.watermarks) == (b"", {SINCE: 100_500_000})
        points = replace(some_users([user]), watermarks=[{**record.watermarks, "4": 7}])
        assert store.users.write(points, claim.holds[:1]).all()
        assert store.users.count() == before + 1
        store.users.tombstones.empty([user])
        assert store.users.count() == before
        (record,) = store.users.claim([user]).records
        assert record is not None and record.watermarks == {SINCE: 100_500_000}
        # Forgotten again, and not before the time from which on there was consent.
        store.users.tombstones.forget([user], 90.0)
        assert consent([user], 100.5) == [False]
        assert consent([user], 101.0) == [True]

    def test_damaged_points_are_forgotten_too(self, store: Store, names: Names) -> None:
        """Nothing has to be understood of what is taken out."""
        assert isinstance(store, EngineStore)
        (user,) = names(1)
        put_users(store.users, some_users([user]))
        damaged = PointBatch(
            [user_point_id(user)], {}, [{"user_id": user, "state": "?"}], np.array([50], np.int64)
        )
        store.users._collection.upsert(damaged)
        assert store.users.tombstones.forget([user], 5.0) == 1
        assert store.users.claim([user]).holds == [FORGOTTEN]

    def test_idle_users_are_dropped_and_marks_of_unfinished_sources_stay(
        self, store: Store, names: Names
    ) -> None:
        """Who acted since is left alone; of the others nothing stays but marks that no progress makes needless."""
        users, before = names(4), store.users.count()
        points = replace(
            some_users(users),
            updated_at=np.array([10.0, 10.0, 20.0, 10.0]),
            watermarks=[{"1": 5}, {"1": 5, "2": 9}, {"1": 5}, {SINCE: 3, "1": 4}],
        )
        put_users(store.users, points)
        dropped = store.users.tombstones.drop_idle(users, 20.0, lambda source, mark: source == "1")
        assert dropped == 3 and store.users.count() == before + 1
        claim = store.users.claim(users)
        assert claim.records[0] is None and claim.holds[0] == NEW
        assert [record and record.watermarks for record in claim.records[1:]] == [
            {"2": 9},
            {"1": 5},
            {SINCE: 3},
        ]
        assert store.users.tombstones.drop_idle(users, 20.0, lambda *_: True) == 0  # what was emptied is none

    def test_other_versions_have_them_too(self, site: StoreSite, names: Names) -> None:
        """A version beside the live one is asked for, and tombstones go from one to the other."""
        users = names(3)
        with site.open() as store:
            put_users(store.users, some_users(users))
            draft = store.versions.begin(Version("m2", model="other"))
            put_users(draft.users, some_users(users))
            (beside,) = store.versions.beside()
            assert beside.tombstones.forget(users[:1], 5.0) == 1
            assert draft.users.claim(users).holds.count(FORGOTTEN) == 1
            store.users.tombstones.forget(users[:2], 6.0)
            for page in store.users.tombstones.pages(10):
                assert draft.users.tombstones.adopt(page) == 2
                assert draft.users.tombstones.adopt(page) == 0
            assert draft.users.claim(users).holds.count(FORGOTTEN) == 2

    def test_releases_without_tombstones_are_kept_out(self, site: StoreSite, names: Names) -> None:
        """A store of version 2 is upgraded before its first tombstone: its daemons can't read the record of versions any
        longer, which they do after each write, and its id stays."""
        with site.open() as store:
            assert isinstance(store, EngineStore)
            put_users(store.users, some_users(names(3)))
            store.versions.describe("analytic", "{}")
            first = store.id
            meta = store._meta
            Meta(meta)._write(named_id("store"), {"version": 2, "dim": DIM, "id": first})
            (record,) = meta.retrieve([named_id("versions")], False)
            assert all(entry.pop("tombstones") for entry in record.payload["versions"])
            meta.upsert(PointBatch([named_id("versions")], {}, [record.payload], np.array([300], np.int64)))
        with site.open(create=False) as store:
            assert isinstance(store, EngineStore) and Meta(store._meta).identity() == Identity(2, DIM, first)
            assert store.users.count() == 3
            store.users.tombstones.forget(names(1), 5.0)
            assert Meta(store._meta).identity() == Identity(3, DIM, first) and store.id == first
            (record,) = store._meta.retrieve([named_id("versions")], False)
            for entry in record.payload["versions"]:
                with pytest.raises(TypeError):
                    Version(
                        **{name: value for name, value in entry.items() if name != "filler"}
                    )  # as they did
