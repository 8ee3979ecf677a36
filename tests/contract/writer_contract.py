"""What claims, holds, sources and leases do, whichever engine keeps the points. Subclasses inherit from `StoreContract` too."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from contract.store_contract import Names
from sinks.errors import LeaseLost, PointRefused
from sinks.leases import STALE_S, CollectionLeases
from sinks.protocols import Store
from sinks.sources import SourceInfo
from sinks.writer import LOST, NEW
from support.data.store_points import (
    DIM,
    StoreSite,
    assert_users_equal,
    put_users,
    some_items,
    some_part,
    some_users,
)


class WriterContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    def test_a_claim_tells_what_is_there(self, store: Store, names: Names) -> None:
        """Users that are there are held and read as they are; the others are new, until they were written."""
        points = some_users(names(9))
        asked = [*points.user_ids, *names(3, start=50)]
        put_users(store.users, points)
        claim = store.users.claim(asked)
        assert_users_equal(claim.records[:9], points)
        assert claim.records[9:] == [None] * 3
        assert claim.holds == [claim.token] * 9 + [NEW] * 3
        assert store.users.claim([]).holds == []

    def test_held_users_are_written_again_and_again(self, store: Store, names: Names) -> None:
        """A user in memory is written under its hold as often as one likes; new ones beside it are inserted."""
        holds = put_users(store.users, some_users(names(8), seed=1))
        for seed in (2, 3):
            points = some_users(names(8), seed)
            assert store.users.write(points, holds).all()
            assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)
        claim = store.users.claim(names(4, start=8))
        mixed = some_users(names(12), seed=4)
        assert store.users.write(mixed, [*holds, *claim.holds], token=claim.token).all()
        assert_users_equal(store.users.read(mixed.user_ids, True), mixed, vectors=True)
        assert store.users.write(mixed, [*holds, *[claim.token] * 4]).all()

    def test_users_of_any_number(self, site: StoreSite, names: Names) -> None:
        """Bounds on requests change nothing for claims and writes, nor does the order of holds."""
        points, order = some_users(names(60)), np.random.default_rng(3).permutation(60)
        with site.open(batch_points=7, batch_bytes=1 << 16) as store:
            put_users(store.users, some_users(points.user_ids[:25], seed=5))
            claim = store.users.claim([points.user_ids[row] for row in order])
            assert claim.holds.count(NEW) == 35
            holds = dict(zip(order.tolist(), claim.holds, strict=True))
            taken = store.users.write(points, [holds[row] for row in range(60)], token=claim.token)
            assert taken.dtype == bool and taken.all()
            assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)

    def test_rows_of_one_user(self, store: Store, names: Names) -> None:
        """Of several rows of one user the last is written, and all are told so; a claim may name a user twice."""
        a, b = names(2)
        claim = store.users.claim([a, b, a])
        assert claim.holds == [NEW] * 3
        points = some_users([a, b, a])
        assert store.users.write(points, claim.holds, token=claim.token).tolist() == [True] * 3
        first, second = store.users.read([a, b])
        assert first is not None and second is not None
        assert (first.state, second.state) == (points.states[2], points.states[1])
        assert store.users.claim([a, b, a]).holds == [claim.token] * 3

    def test_bad_users_are_refused_before_anything_is_sent(self, store: Store, names: Names) -> None:
        """A point that may not be written, or holds that don't fit, and nothing of the write happens."""
        good = some_users(names(3))
        claim = store.users.claim(good.user_ids)
        bad = replace(good, fused=np.full((3, DIM), np.nan, np.float32))
        with pytest.raises(PointRefused, match="not finite"):
            store.users.write(bad, claim.holds)
        with pytest.raises(PointRefused, match="holds"):
            store.users.write(good, claim.holds[:2])
        with pytest.raises(ValueError, match="LOST"):
            store.users.write(good, [NEW, LOST, NEW])
        assert store.users.read(good.user_ids) == [None] * 3
        assert store.users.write(good, claim.holds).all()

    def test_progress_is_no_user(self, site: StoreSite, names: Names) -> None:
        """Scans and counts of users leave the progress of sources out."""
        points = some_users(names(10))
        with site.open() as store:
            put_users(store.users, points)
            store.sources.advance(dict.fromkeys(range(1, 30), 5))
            assert store.users.count() == 10
            for batch in (1, 7, 100):
                scanned = [record.user_id for page in store.users.scan(batch, True) for record in page]
                assert sorted(scanned) == sorted(points.user_ids)

    # --- sources

    def test_sources_have_short_numbers(self, site: StoreSite) -> None:
        """Each identity has a number of its own forever, whatever it is asked together with."""
        odd = ["cluster/topic/0", "log/äöü ✓", "x" * 2000, "cluster/topic/1"]
        with site.open() as store:
            assert store.sources.known() == {}
            numbers = store.sources.numbers(odd)
            assert sorted(numbers.values()) == [1, 2, 3, 4]
            assert store.sources.numbers([odd[2], "new", odd[0]]) == {
                odd[2]: numbers[odd[2]],
                "new": 5,
                odd[0]: numbers[odd[0]],
            }
            assert store.sources.numbers([]) == {}
        with site.open(create=False) as again:
            assert again.sources.numbers(odd) == numbers
            assert {name: known.number for name, known in again.sources.known().items()} == numbers | {
                "new": 5
            }

    def test_registered_sources_are_found_by_identity(self, site: StoreSite) -> None:
        """Those that are asked for, with number, aliases and facts, as `known` tells them; the others are left out."""
        with site.open() as store:
            names = [f"log/{n}" for n in range(600)]
            store.sources.numbers(names, {"log/1": "old"})
            store.sources.describe("log/2", {"rows": 3})
            known = store.sources.known()
            assert store.sources.find([*names[:300], "log/1", "never"]) == {n: known[n] for n in names[:300]}
            assert (known["log/1"].aliases, known["log/2"].about) == (("old",), {"rows": 3})
            assert store.sources.find([]) == {}

    def test_many_sources_at_once(self, site: StoreSite) -> None:
        """Thousands of sources, such as letters, are registered and listed as a few are."""
        letters = [f"letter/c/t/0/{offset}" for offset in range(1000)]
        with site.open() as store:
            numbers = store.sources.numbers(letters)
            assert len(set(numbers.values())) == 1000
            assert len(store.sources.known()) == 1000
            store.sources.advance(dict.fromkeys(numbers.values(), 1))
            assert store.sources.progress(numbers.values()) == dict.fromkeys(numbers.values(), 1)

    def test_racing_registrations_agree(self, site: StoreSite) -> None:
        """Processes that register sources at the same time get the same numbers, and no two sources share one."""
        told: list[dict[str, int]] = []
        with site.open() as store:
            stores = [store] * 4 if store.exclusive else [site.open() for _ in range(4)]

            def work(number: int) -> None:
                mine = [f"source-{n}" for n in range(number, number + 12)]
                told.append(stores[number].sources.numbers(mine))

            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            known = {name: info.number for name, info in store.sources.known().items()}
            assert len(told) == 4 and len(known) == len(set(known.values())) == 15
            assert all(known[name] == number for one in told for name, number in one.items())
            for other in stores:
                other.close()

    def test_an_alias_is_the_first_ones(self, site: StoreSite) -> None:
        """The first source that asks for an old name has it; a topic that is made again does not get it."""
        with site.open() as store:
            store.sources.numbers(["c/id-1/0", "c/id-1/1"], {"c/id-1/0": "c/clicks/0"})
            store.sources.numbers(["c/id-2/0"], {"c/id-2/0": "c/clicks/0"})
            store.sources.numbers(["c/id-1/1"], {"c/id-1/1": "c/clicks/1"})
        with site.open() as again:
            again.sources.numbers(["c/id-2/0"], {"c/id-2/0": "c/clicks/0"})
            aliases = {name: info.aliases for name, info in again.sources.known().items()}
            assert aliases == {"c/id-1/0": ("c/clicks/0",), "c/id-1/1": ("c/clicks/1",), "c/id-2/0": ()}

    def test_facts_of_a_source_are_kept(self, site: StoreSite) -> None:
        """What is said of a source is kept as it was said last, and changes nothing else of it."""
        with site.open() as store:
            numbers = store.sources.numbers(["log/a", "log/b"], {"log/a": "old"})
            store.sources.describe("log/a", {"rows": 10})
            store.sources.describe("log/a", {"rows": 12, "ends": [1.5, "x"], "more": {"b": None}})
            store.sources.describe("log/new", {})
            assert store.sources.known() == {
                "log/a": SourceInfo(
                    numbers["log/a"], ("old",), {"rows": 12, "ends": [1.5, "x"], "more": {"b": None}}
                ),
                "log/b": SourceInfo(numbers["log/b"]),
                "log/new": SourceInfo(3),
            }

    def test_progress_only_rises(self, site: StoreSite) -> None:
        """A source is as far as the furthest that was said of it, whatever was said together with it."""
        with site.open() as store:
            assert store.sources.progress([1, 2]) == {1: 0, 2: 0}
            store.sources.advance({1: 10, 2: 2**40})
            store.sources.advance({1: 4, 2: 2**40 + 1, 3: 1})
            store.sources.advance({})
            assert store.sources.progress([3, 1, 2, 9]) == {1: 10, 2: 2**40 + 1, 3: 1, 9: 0}
        with site.open(create=False) as again:
            assert again.sources.progress([1, 2, 3]) == {1: 10, 2: 2**40 + 1, 3: 1}

    def test_racing_progress_only_rises(self, store: Store) -> None:
        """However many raise a source at a time, the highest stays."""
        said = np.random.default_rng(0).permutation(200).reshape(4, 50) + 1

        def work(offsets: list[int]) -> None:
            for offset in offsets:
                store.sources.advance({77: offset, 78: 1000 - offset})

        threads = [threading.Thread(target=work, args=(offsets,)) for offsets in said.tolist()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.sources.progress([77, 78]) == {77: 200, 78: 999}

    def test_numbers_are_not_given_again(self, site: StoreSite) -> None:
        """Where the register was put back from an older backup than the users, a new source gets an unused number."""
        with site.open() as store:
            store.sources.numbers(["a"])
            store.sources.advance({40: 7})
        with site.open() as again:
            assert again.sources.numbers(["b"]) == {"b": 41}

    # --- the store itself

    def test_a_store_has_an_id(self, site: StoreSite) -> None:
        """A store has an id that no other has, the same whenever it is opened."""
        with site.open() as store:
            first = store.id
            assert len(first) >= 16
        with site.open(create=False) as again:
            assert again.id == first

    def test_sync_loses_nothing(self, store: Store, names: Names) -> None:
        """A store may be synced at any time, also when nothing was written."""
        points = some_users(names(5))
        put_users(store.users, points)
        store.items.write(some_items(2))
        for _ in range(3):
            store.sync()
        assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)

    # --- leases

    def test_a_lease_is_one_processes(self, site: StoreSite) -> None:
        """Each process that asks gets a lease of its own; a released one is taken first."""
        with site.open() as store:
            one, two = store.leases.take("tables"), store.leases.take("tables")
            other = store.leases.take("else")
            assert one.name != two.name
            store.blobs.put(f"tables/{one.name}", b"one", one)
            store.blobs.put(f"tables/{two.name}", b"two", two)
            store.blobs.put("else", b"else", other)
            store.leases.release(one)
            store.leases.release(one)
            again = store.leases.take("tables")
            assert again.name == one.name
            with pytest.raises(LeaseLost):
                store.blobs.put(f"tables/{one.name}", b"zombie", one)
            assert store.blobs.get(f"tables/{one.name}") == b"one"
            store.blobs.put(f"tables/{one.name}", b"again", again)
            assert store.blobs.get(f"tables/{one.name}") == b"again"
            store.leases.release(one)  # it is another's: nothing happens
            store.blobs.put(f"tables/{one.name}", b"more", again)

    def test_a_lease_that_nobody_renewed_is_taken(self, site: StoreSite) -> None:
        """A process that was killed leaves its lease to the next one, an hour later; one that writes keeps it."""
        now = 1e9
        with site.open() as store:
            leases = CollectionLeases(store._meta, now=lambda: now)  # type: ignore[attr-defined]
            kept, left = leases.take("tables"), leases.take("tables")
            for _ in range(5):
                now += STALE_S / 3
                with leases.held(kept):
                    pass
            taken = leases.take("tables")
            assert taken.name == left.name
            assert leases.take("tables").name not in (kept.name, left.name)
            with pytest.raises(LeaseLost), leases.held(left):
                pass

    def test_racing_takers_get_different_places(self, site: StoreSite) -> None:
        """Processes that start at the same time have a lease each."""
        taken: list[str] = []
        with site.open() as store:
            for _ in range(2):
                store.leases.release(store.leases.take("tables"))
            stores = [store] * 4 if store.exclusive else [site.open() for _ in range(4)]
            threads = [
                threading.Thread(target=lambda one=one: taken.append(one.leases.take("tables").name))
                for one in stores
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(taken)) == 4
            for other in stores:
                other.close()


class SharedWriterContract:
    """What holds of stores that several processes have open: each `StoreSite.open` is one."""

    def test_a_claim_takes_users_from_others(self, site: StoreSite, names: Names) -> None:
        """After another process claimed users, a write of theirs is refused and told so, user by user."""
        before, after = some_users(names(10), seed=1), some_users(names(10), seed=2)
        with site.open() as one, site.open() as two:
            holds = put_users(one.users, before)
            claimed = two.users.claim(names(10)[:4])
            assert_users_equal(claimed.records, some_part(before, 0, 4))
            assert one.users.write(after, holds).tolist() == [False] * 4 + [True] * 6
            assert_users_equal(one.users.read(names(10))[:4], some_part(before, 0, 4))
            assert_users_equal(one.users.read(names(10))[4:], some_part(after, 4, 10))
            assert two.users.write(some_part(after, 0, 4), claimed.holds).all()

    def test_new_users_are_inserted_once(self, site: StoreSite, names: Names) -> None:
        """Of two processes that saw a user absent one inserts it; the other is told and changes nothing."""
        first, second = some_users(names(6), seed=1), some_users(names(6), seed=2)
        with site.open() as one, site.open() as two:
            mine, theirs = one.users.claim(first.user_ids), two.users.claim(first.user_ids[:3])
            assert mine.holds == [NEW] * 6 and theirs.holds == [NEW] * 3
            assert two.users.write(some_part(second, 0, 3), theirs.holds, token=theirs.token).all()
            assert one.users.write(first, mine.holds, token=mine.token).tolist() == [False] * 3 + [True] * 3
            assert_users_equal(one.users.read(names(6))[:3], some_part(second, 0, 3))
            assert (
                one.users.write(first, [*mine.holds[:3], *[mine.token] * 3]).tolist()
                == [False] * 3 + [True] * 3
            )

    def test_what_is_there_already_counts_as_put_users(self, site: StoreSite, names: Names) -> None:
        """A user that holds exactly what was to be written is reported as written, whichever process did it."""
        points = some_users(names(4))
        with site.open() as one, site.open() as two:
            mine, theirs = one.users.claim(points.user_ids), two.users.claim(points.user_ids)
            assert two.users.write(points, theirs.holds, token=theirs.token).all()
            assert one.users.write(points, mine.holds, token=mine.token).all()

    def test_deleted_users_are_not_brought_back(self, site: StoreSite, names: Names) -> None:
        """A user that somebody deleted is not written as it was remembered; claimed again it begins from nothing."""
        points = some_users(names(5))
        with site.open() as one, site.open() as two:
            holds = put_users(one.users, points)
            two.users.delete(points.user_ids[:2])
            assert one.users.write(points, holds).tolist() == [False] * 2 + [True] * 3
            assert one.users.read(points.user_ids[:2]) == [None] * 2
            claim = one.users.claim(points.user_ids)
            assert claim.holds == [NEW] * 2 + [claim.token] * 3
