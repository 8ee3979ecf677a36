"""What every store does, whichever engine keeps it. Subclasses say where a store may be: the fixture `site`."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from sinks.actions import StoredAction
from sinks.attributes import Attributes, same_attributes
from sinks.blobs import MOST_BLOB_BYTES
from sinks.errors import ActionsDiffer, PointRefused, StoreError, StoreMismatch, StoreNotFound
from sinks.item_filter import AttributeTest, passes_all
from sinks.layout import STORE_VERSION
from sinks.meta import Identity, Meta
from sinks.points import PLACEHOLDER, WITHOUT_TEXT, ItemPoints, UserPoints, item_key
from sinks.protocols import Store
from sinks.store import EngineStore
from support.data.store_points import (
    DIM,
    StoreSite,
    assert_users_equal,
    put_users,
    some_items,
    some_users,
    unit_rows,
)

Names = Callable[..., list[str]]


def with_first_row(rows: np.ndarray, value: float) -> np.ndarray:
    rows = rows.copy()
    rows[1] = value
    return rows


REFUSED_USERS: dict[str, Callable[[UserPoints], UserPoints]] = {
    "NaN in fused": lambda p: replace(p, fused=with_first_row(p.fused, np.nan)),
    "infinity in fused": lambda p: replace(p, fused=with_first_row(p.fused, np.inf)),
    "zero fused": lambda p: replace(p, fused=with_first_row(p.fused, 0)),
    "nearly zero fused": lambda p: replace(p, fused=with_first_row(p.fused, 1e-6)),
    "fused too long": lambda p: replace(p, fused=with_first_row(p.fused, 1e30)),
    "fused of another length": lambda p: replace(p, fused=p.fused[:, :-1]),
    "fused for fewer users": lambda p: replace(p, fused=p.fused[:-1]),
    "fused of integers": lambda p: replace(p, fused=p.fused.astype(np.int32)),
    "NaN in interests": lambda p: replace(p, interests=with_first_row(p.interests, np.nan)),
    "zero interest": lambda p: replace(p, interests=with_first_row(p.interests, 0)),
    "interests cut off": lambda p: replace(p, interests=p.interests[:-1]),
    "offsets that go back": lambda p: replace(p, interest_offsets=p.interest_offsets[::-1].copy()),
    "a state missing": lambda p: replace(p, states=p.states[:-1]),
    "a state that is text": lambda p: replace(p, states=["YQ==", *p.states[1:]]),  # type: ignore[list-item]
    "a watermark missing": lambda p: replace(p, watermarks=p.watermarks[:-1]),
    "a watermark of 65 bits": lambda p: replace(p, watermarks=[{"a": 2**64}] * 3),
    "a watermark that is no integer": lambda p: replace(p, watermarks=[{"a": 1.5}] * 3),
    "a watermark of 65 bits below zero": lambda p: replace(p, watermarks=[{}, {"a": -(2**63) - 1}, {}]),
    "a weight that is text": lambda p: replace(p, weights=[{}, {"a": 0.5}, {"a": "half"}]),  # type: ignore[dict-item]
    "a weight that is not finite": lambda p: replace(p, weights=[{"a": float("nan")}] * 3),
    "a time that is not finite": lambda p: replace(p, updated_at=np.array([1, np.nan, 2])),
    "a lone surrogate in an id": lambda p: replace(p, user_ids=["a", "\ud800", "b"]),
    "a lone surrogate in a source": lambda p: replace(p, watermarks=[{"\udfff": 1}] * 3),
    "a lone surrogate in a scenario": lambda p: replace(p, weights=[{"\udfff": 1.0}] * 3),
}

REFUSED_ITEMS: dict[str, Callable[[ItemPoints], ItemPoints]] = {
    "NaN": lambda p: replace(p, vectors=with_first_row(p.vectors, np.nan)),
    "zero": lambda p: replace(p, vectors=with_first_row(p.vectors, 0)),
    "another length": lambda p: replace(p, vectors=np.hstack([p.vectors, p.vectors])),
    "a title missing": lambda p: replace(p, titles=p.titles[:-1]),
    "a lone surrogate in a title": lambda p: replace(p, titles=["a", "\ud800", "b"]),
    "a lone surrogate in an id": lambda p: replace(p, item_ids=["a", "\ud800", "b"]),
    "attributes missing": lambda p: replace(p, attributes=[{}]),
    "an attribute that is not finite": lambda p: replace(p, attributes=[{}, {"price": float("inf")}, {}]),
    "an attribute of 65 bits": lambda p: replace(p, attributes=[{}, {"price": 2**64}, {}]),
    "an attribute that is an object": lambda p: replace(p, attributes=[{}, {"price": {"eur": 1}}, {}]),  # type: ignore[dict-item]
    "a lone surrogate in an attribute": lambda p: replace(p, attributes=[{}, {}, {"a": ["\ud800"]}]),
}

ATTRIBUTE_TESTS: list[tuple[AttributeTest, ...]] = [
    (AttributeTest("price", "<", 20),),
    (AttributeTest("price", ">=", 10), AttributeTest("price", "<=", 12.5)),
    (AttributeTest("price", ">", 5, absent=True),),
    (AttributeTest("price", "=", 7),),
    (AttributeTest("price", "!=", 7),),
    (AttributeTest("Maker's name", "=", "Ö & Co"),),
    (AttributeTest("Maker's name", "!=", "Ö & Co"),),
    (AttributeTest("tags", "=", "red"), AttributeTest("tags", "=", "warm")),
    (AttributeTest("hidden", "!=", True),),
    (AttributeTest("hidden", "=", True),),
    (AttributeTest("hidden", "=", False),),
    (AttributeTest("hidden", "=", False, absent=True),),
    (AttributeTest("from", "<=", "2026-06-01T00:00:00Z", absent=True),),
    (AttributeTest("from", ">", "2026-06-01T00:00:00.500000+02:00"),),
]


def some_attributes(rng: np.random.Generator) -> Attributes:
    """Each of a few attributes, or not."""
    tags = [tag for tag in ("red", "warm", "new") if rng.random() < 0.6]
    offered: Attributes = {
        "price": [int(rng.integers(30)), round(float(rng.random()) * 30, 2)][int(rng.integers(2))],
        "Maker's name": str(rng.choice(["acme", "Ö & Co"])),
        "tags": [*tags],
        "hidden": bool(rng.integers(2)),
        "from": f"2026-{rng.integers(1, 13):02}-01T00:00:00Z",
    }
    return {name: value for name, value in offered.items() if rng.random() < 0.7}


class StoreContract:
    """One suite for all engines; it asks only for what a real Qdrant does."""

    @pytest.fixture(scope="class")
    @classmethod
    def sites(cls) -> Iterator[Callable[[], StoreSite]]:
        """A function that gives a site for a new store each time."""
        raise NotImplementedError("a subclass says where")

    @pytest.fixture
    def site(self, sites: Callable[[], StoreSite]) -> StoreSite:
        """Where no store is yet."""
        return sites()

    @pytest.fixture(scope="class")
    @classmethod
    def shared_store(cls, sites: Callable[[], StoreSite]) -> Iterator[Store]:
        with sites().open() as store:
            yield store

    @pytest.fixture
    def store(self, shared_store: Store) -> Iterator[Store]:
        """A store without items that tests with users of their own share: making one takes its time."""
        yield shared_store
        while found := shared_store.items.search(np.ones(DIM, np.float32), 10_000):
            shared_store.items.delete([item.key for item in found])

    @pytest.fixture
    def names(self) -> Names:
        """Ids of users that no other test has."""
        prefix = uuid.uuid4().hex[:8]
        return lambda n, start=0: [f"{prefix}-{number}" for number in range(start, start + n)]

    # --- users

    def test_users_are_read_as_written(self, store: Store, names: Names) -> None:
        """What was written of a user is what is read, to the byte and to the bit of a float."""
        points = some_users(names(40))
        put_users(store.users, points)
        assert_users_equal(store.users.read(points.user_ids), points)
        assert_users_equal(store.users.read(points.user_ids, with_vectors=True), points, vectors=True)

    def test_reads_keep_the_order_asked_for(self, store: Store, names: Names) -> None:
        """A read answers in the order of the request, with None for users that are not there."""
        ids = names(5)
        put_users(store.users, some_users(ids))
        records = store.users.read([ids[3], "nobody", ids[0], ids[3], "", ids[4]])
        found = [record and record.user_id for record in records]
        assert found == [ids[3], None, ids[0], ids[3], None, ids[4]]
        assert store.users.read([]) == []

    def test_write_replaces_the_whole_point(self, store: Store) -> None:
        """Nothing of an earlier write is left in a point: no interest, watermark or weight."""
        first = some_users(["ada"], seed=3)
        first = replace(
            first, interests=unit_rows(np.random.default_rng(1), 3), interest_offsets=np.array([0, 3])
        )
        put_users(store.users, first)
        second = replace(
            some_users(["ada"], seed=4, most_interests=0),
            watermarks=[{"other/0": 1}],
            weights=[{}],
            states=[b""],
        )
        put_users(store.users, second)
        assert_users_equal(store.users.read(["ada"], with_vectors=True), second, vectors=True)

    def test_last_of_one_user_wins(self, store: Store, names: Names) -> None:
        """Of several rows of one user in a write the last one is kept."""
        a, b, c = names(3)
        points = some_users([a, b, a, c, b])
        put_users(store.users, points)
        for record, row in zip(store.users.read([a, b, c], True), (2, 4, 3), strict=True):
            assert record is not None and record.fused is not None and record.interests is not None
            assert record.state == points.states[row]
            np.testing.assert_allclose(record.fused, points.fused[row], atol=1e-6)
            first, last = points.interest_offsets[row : row + 2]
            np.testing.assert_allclose(record.interests, points.interests[first:last], atol=1e-6)

    def test_writes_and_reads_of_any_size(self, site: StoreSite, names: Names) -> None:
        """Bounds on requests change nothing in what is stored."""
        users, items = some_users(names(150)), some_items(150)
        with site.open(batch_points=17, batch_bytes=1 << 16) as store:
            put_users(store.users, users)
            store.items.write(items)
            assert_users_equal(store.users.read(users.user_ids, True), users, vectors=True)
            keys = [item_key(item_id) for item_id in items.item_ids]
            assert [record and record.key for record in store.items.read(keys)] == keys
            store.items.delete(keys[1:])
            assert store.items.count() == 1

    def test_writing_nothing_is_fine(self, store: Store) -> None:
        """An empty write is no error and writes nothing."""
        put_users(store.users, some_users([]))
        store.items.write(some_items(0))
        assert store.items.count() == 0

    def test_any_text_and_any_bytes(self, store: Store) -> None:
        """User ids, sources and scenarios may be any text, and a state any bytes up to large ones."""
        odd = ["ünïcode ✓", "a/b.c[0]", "x" * 512, "line\nbreak", '"quoted"', "\U0001f600", "nul\0"]
        points = replace(
            some_users(odd),
            states=[bytes(range(256)) * size for size in (0, 1, 2, 3, 4, 400, 4000)],
            watermarks=[{name: 2**63 - 1, "b": -(2**63)} for name in odd],
            weights=[{name: 0.1, "tiny": 5e-324} for name in odd],
        )
        put_users(store.users, points)
        assert_users_equal(store.users.read(odd), points)

    def test_numpy_numbers_are_taken(self, store: Store, names: Names) -> None:
        """Offsets and weights may be numpy scalars, which come back as plain numbers."""
        points = replace(
            some_users(names(1)), watermarks=[{"s": np.int64(7)}], weights=[{"toys": np.float32(0.5)}]
        )
        put_users(store.users, points)
        (record,) = store.users.read(points.user_ids)
        assert record is not None
        assert record.watermarks == {"s": 7} and record.weights == {"toys": 0.5}
        assert type(record.watermarks["s"]) is int and type(record.weights["toys"]) is float

    @pytest.mark.parametrize("refused", REFUSED_USERS)
    def test_bad_users_are_refused_whole(self, store: Store, names: Names, refused: str) -> None:
        """One bad user in a write, and nothing of it is written."""
        points = some_users(names(3), seed=2)
        assert len(points.interests) >= 2
        with pytest.raises(PointRefused):
            put_users(store.users, REFUSED_USERS[refused](points))
        assert store.users.read(points.user_ids) == [None, None, None]

    def test_refusals_do_not_show_user_ids(self, store: Store) -> None:
        """Messages about bad points name rows, not people."""
        points = replace(some_users(["ada", "bob"]), user_ids=["ada", "bob\ud800"])
        with pytest.raises(PointRefused) as refusal:
            put_users(store.users, points)
        assert "row 1" in str(refusal.value) and "bob" not in str(refusal.value)

    def test_scan_gives_each_user_once(self, store: Store, names: Names) -> None:
        """A scan gives all users once, in batches within the bound, in the same order each time."""
        points = some_users(names(53))
        put_users(store.users, points)
        batches = list(store.users.scan(10, with_vectors=True))
        assert all(1 <= len(batch) <= 10 for batch in batches)
        scanned = [record for batch in batches for record in batch]
        again = [record.user_id for batch in store.users.scan(7) for record in batch]
        assert [record.user_id for record in scanned] == again
        by_id = {record.user_id: record for record in scanned}
        assert len(by_id) == len(scanned)
        assert_users_equal([by_id.get(user_id) for user_id in points.user_ids], points, vectors=True)

    def test_points_are_never_seen_mixed(self, store: Store, names: Names) -> None:
        """A reader beside a writer sees state, watermark and vector of one and the same write."""
        users, errors = names(20), list[BaseException]()
        enough = threading.Event()
        axes = np.eye(DIM, dtype=np.float32)

        def write() -> None:
            try:
                for number in count():
                    if enough.is_set():
                        return
                    points = some_users(users, most_interests=0)
                    points = replace(
                        points,
                        fused=np.repeat(axes[number % DIM][None], len(users), axis=0),
                        states=[number.to_bytes(4, "little") * 500] * len(users),
                        watermarks=[{"s": number}] * len(users),
                    )
                    put_users(store.users, points)
            except BaseException as error:
                errors.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        seen = 0
        deadline = time.monotonic() + 30
        try:
            while seen < 1000 and not errors and time.monotonic() < deadline:
                for record in store.users.read(users, with_vectors=True):
                    if record is not None and record.fused is not None:
                        number = record.watermarks["s"]
                        assert record.state == number.to_bytes(4, "little") * 500
                        assert int(record.fused.argmax()) == number % DIM
                        seen += 1
        finally:
            enough.set()
            writer.join()
        assert errors == []
        assert seen >= 1000

    def test_calls_from_many_threads(self, store: Store, names: Names) -> None:
        """Writers and readers in different threads do not disturb each other."""
        errors: list[BaseException] = []

        def work(number: int) -> None:
            try:
                points = some_users(names(30, start=100 * number), seed=number)
                items = some_items(20)
                for _ in range(3):
                    put_users(store.users, points)
                    store.items.write(items)
                    assert_users_equal(store.users.read(points.user_ids), points)
                    assert len(store.items.search(items.vectors[0], 3)) == 3
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []

    # --- items

    def test_items_are_read_as_written(self, store: Store) -> None:
        """What was written of an item is what is read, in the order asked for, None where there is none."""
        points = some_items(30)
        store.items.write(points)
        keys = [item_key(item_id) for item_id in reversed(points.item_ids)]
        records = store.items.read([*keys, 12345, keys[0]], with_vectors=True)
        assert records[30] is None
        for row, record in zip([*reversed(range(30)), 29], records[:30] + records[31:], strict=True):
            assert record is not None and record.vector is not None
            assert record.key == item_key(record.item_id)
            assert (record.item_id, record.title) == (points.item_ids[row], points.titles[row])
            assert (record.scenario, record.content) == (points.scenarios[row], points.contents[row])
            np.testing.assert_allclose(record.vector, points.vectors[row], atol=1e-6)
        (bare,) = store.items.read(keys[:1])
        assert bare is not None and bare.vector is None
        assert store.items.count() == 30

    def test_placeholders_are_added_and_never_replace_the_catalogue(self, store: Store) -> None:
        """A stand-in is written where nothing or a stand-in is, and leaves what a catalogue wrote alone."""
        items = some_items(3)
        known = replace(
            items, item_ids=["known", "bare", "x"], contents=["fingerprint", WITHOUT_TEXT, "other"]
        )
        store.items.write(known)
        stand_ins = replace(
            some_items(3, seed=1),
            item_ids=["known", "bare", "new"],
            titles=["", "", ""],
            contents=[PLACEHOLDER] * 3,
        )
        store.items.add(stand_ins)
        store.items.add(replace(stand_ins, scenarios=["later", "later", "later"]))
        keys = [item_key(item_id) for item_id in ("known", "bare", "new")]
        first, second, third = store.items.read(keys)
        assert first is not None and second is not None and third is not None
        assert (first.title, first.content) == ("Title 0", "fingerprint")
        assert (second.title, second.content) == ("Title 1", WITHOUT_TEXT)
        assert (third.title, third.content, third.scenario) == ("", PLACEHOLDER, stand_ins.scenarios[2])
        store.items.write(replace(known, item_ids=["new", "bare", "x"]))
        (mended,) = store.items.read(keys[2:])
        assert mended is not None and mended.content == "fingerprint"

    def test_attributes_are_read_as_written(self, store: Store) -> None:
        """Numbers, booleans, texts and lists of them come back as they were; a later write replaces all of them."""
        held: list[Attributes] = [
            {"price": 19.99, "stock": 3, "hidden": False, "brand": "Ö & Co", "tags": ["a", "b"]},
            {"sizes": [1, 2.5, "XL", True], "a name.with [signs]": -(2**62), "empty": ""},
            {},
        ]
        points = replace(some_items(3), attributes=held)
        store.items.write(points)
        keys = [item_key(item_id) for item_id in points.item_ids]
        for record, wanted in zip(store.items.read(keys), held, strict=True):
            assert record is not None and same_attributes(record.attributes, wanted)
        store.items.write(replace(points, attributes=[{}, {"price": 1}, {}]))
        assert [record and record.attributes for record in store.items.read(keys)] == [{}, {"price": 1}, {}]
        store.items.write(some_items(3))
        assert [record and record.attributes for record in store.items.read(keys)] == [{}, {}, {}]

    def test_search_among_items_that_pass_tests(self, store: Store) -> None:
        """A search with tests of attributes finds the nearest of just those items that pass them all."""
        rng = np.random.default_rng(3)
        held = [some_attributes(rng) for _ in range(300)]
        points = replace(some_items(300), attributes=held)
        store.items.write(points)
        query = unit_rows(rng, 1, DIM)[0]
        order = [item.item_id for item in store.items.search(query, 300)]
        attributes_of = dict(zip(points.item_ids, held, strict=True))
        for tests in ATTRIBUTE_TESTS:
            passing = [item_id for item_id in order if passes_all(tests, attributes_of[item_id])]
            assert 0 < len(passing) < 300, tests
            assert [item.item_id for item in store.items.search(query, 300, tests=tests)] == passing, tests
            assert [item.item_id for item in store.items.search(query, 5, tests=tests)] == passing[:5]

    def test_last_of_one_item_wins(self, store: Store) -> None:
        """A later row, and a later write, replace an item."""
        points = replace(some_items(3), item_ids=["a", "b", "a"])
        store.items.write(points)
        assert store.items.count() == 2
        (record,) = store.items.read([item_key("a")])
        assert record is not None and record.title == "Title 2"
        store.items.write(replace(some_items(1), item_ids=["a"], titles=["new"]))
        (record,) = store.items.read([item_key("a")])
        assert record is not None and record.title == "new"

    @pytest.mark.parametrize("refused", REFUSED_ITEMS)
    def test_bad_items_are_refused_whole(self, store: Store, refused: str) -> None:
        """One bad item in a write, and nothing of it is written."""
        with pytest.raises(PointRefused):
            store.items.write(REFUSED_ITEMS[refused](some_items(3)))
        assert store.items.count() == 0

    def test_search_finds_the_nearest(self, store: Store) -> None:
        """A search gives the nearest items by cosine, best first, with their scores and payload."""
        points = some_items(200)
        store.items.write(points)
        query = unit_rows(np.random.default_rng(9), 1)[0]
        found = store.items.search(query, 10)
        cosine = points.vectors @ query
        best = np.argsort(-cosine)[:10]
        assert [item.item_id for item in found] == [points.item_ids[row] for row in best]
        np.testing.assert_allclose([item.score for item in found], cosine[best], atol=1e-5)
        assert [item.key for item in found] == [item_key(item.item_id) for item in found]
        assert [item.title for item in found] == [points.titles[row] for row in best]
        assert [item.scenario for item in found] == [points.scenarios[row] for row in best]

    def test_search_within_a_scenario_without_seen_items(self, store: Store) -> None:
        """A search may be held to one scenario and told to leave out items, hundreds of them."""
        points = some_items(1000)
        store.items.write(points)
        query = unit_rows(np.random.default_rng(9), 1)[0]
        order = np.argsort(-(points.vectors @ query))
        seen = {points.item_ids[row] for row in order[:300]}
        wanted = [
            points.item_ids[row]
            for row in order
            if points.scenarios[row] == "s2" and points.item_ids[row] not in seen
        ]
        found = store.items.search(query, 10, scenario="s2", exclude=[item_key(item_id) for item_id in seen])
        assert [item.item_id for item in found] == wanted[:10]
        unknown = store.items.search(query, 10, scenario="no such")
        assert unknown == []

    def test_search_of_few_items(self, store: Store) -> None:
        """A search gives what there is when there are fewer than k, and nothing for k = 0."""
        points = some_items(3)
        assert store.items.search(points.vectors[0], 5) == []
        store.items.write(points)
        assert len(store.items.search(points.vectors[0], 5)) == 3
        assert store.items.search(points.vectors[0], 0) == []
        everything = [item_key(item_id) for item_id in points.item_ids]
        assert store.items.search(points.vectors[0], 5, exclude=everything) == []

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
    def test_search_by_a_bad_vector_is_refused(self, store: Store, bad: float) -> None:
        """A search vector that is not finite or zero is an error, not a ranking."""
        with pytest.raises(PointRefused):
            store.items.search(np.full(DIM, bad, np.float32), 5)
        with pytest.raises(PointRefused):
            store.items.search(np.ones(DIM + 1, np.float32), 5)

    def test_vectors_by_content(self, store: Store) -> None:
        """Each content that any item has is found with its vector, however many items share it."""
        vectors = unit_rows(np.random.default_rng(0), 3)
        contents = ["shared"] * 500 + ["rare", "other", PLACEHOLDER, WITHOUT_TEXT]
        rows = [0] * 500 + [1, 2, 0, 0]
        store.items.write(replace(some_items(504), vectors=vectors[rows], contents=contents))
        wanted = ["rare", "absent", "shared", PLACEHOLDER, WITHOUT_TEXT, "other", *map(str, range(600))]
        found = store.items.contents(wanted)
        assert set(found) == {"rare", "shared", "other"}
        for content, row in {"shared": 0, "rare": 1, "other": 2}.items():
            np.testing.assert_allclose(found[content], vectors[row], atol=1e-6)
            assert found[content].dtype == np.float32
        assert store.items.contents([]) == {}

    def test_deleted_items_are_gone(self, store: Store) -> None:
        """A deleted item is neither read, found nor counted; deleting what is absent is no error."""
        points = some_items(10)
        store.items.write(points)
        gone = [item_key(item_id) for item_id in points.item_ids[:4]]
        store.items.delete([*gone, 999])
        store.items.delete([])
        assert store.items.count() == 6
        assert store.items.read(gone) == [None] * 4
        assert not {item.key for item in store.items.search(points.vectors[0], 10)} & set(gone)

    def test_keys_of_64_bits(self, store: Store) -> None:
        """Item keys above 2^63 are kept exactly."""
        points = some_items(64)
        store.items.write(points)
        keys = [item_key(item_id) for item_id in points.item_ids]
        assert max(keys) > 2**63
        assert [record and record.key for record in store.items.read(keys)] == keys

    # --- blobs and the store itself

    def test_actions_keep_their_codes(self, site: StoreSite) -> None:
        """In order of registration, whatever a later process calls them by; new names follow."""
        with site.open() as store:
            assert store.actions.known() == []
            first = store.actions.register({"hide": -1.0, "shown": 0.0})
            assert [action.name for action in first] == ["hide", "shown"]
        with site.open() as store:
            again = store.actions.register({"like": 2.0, "shown": 0.0, "hide": -1.0})
            assert [action.name for action in again] == ["hide", "shown", "like"]
            assert store.actions.known() == again

    def test_a_weight_may_change_until_the_action_is_used(self, site: StoreSite) -> None:
        """Then another one is refused by name, with both weights, and nothing is changed."""
        with site.open() as store:
            store.actions.register({"hide": -1.0, "skip": -0.25})
            (hide, _) = store.actions.register({"hide": -2.0})
            assert hide == StoredAction("hide", -2.0, False)
            with pytest.raises(ActionsDiffer, match="weight of the action 'hide'"):
                store.actions.use({"hide": -1.0})
            store.actions.use({"hide": -2.0})
            with pytest.raises(ActionsDiffer, match="'hide' with a weight of -2, the settings say -1"):
                store.actions.register({"skip": -0.5, "hide": -1.0, "new": 1.0})
            assert store.actions.known() == [
                StoredAction("hide", -2.0, True),
                StoredAction("skip", -0.25, False),
            ]
            store.actions.register({"skip": -0.5})

    def test_threads_that_register_different_actions_share_no_code(self, site: StoreSite) -> None:
        """Eight at once, with names in different orders: each name one code, the same for all."""
        names = [f"action {number}" for number in range(12)]

        with site.open() as store, ThreadPoolExecutor(8) as pool:

            def register(shift: int) -> list[str]:
                wanted = dict.fromkeys(names[shift:] + names[:shift], 1.0)
                return [action.name for action in store.actions.register(wanted)]

            found = list(pool.map(register, range(8)))
            assert sorted(found[0]) == sorted(names)
            assert all(each == found[0] for each in found)

    def test_blobs_are_kept_by_name(self, site: StoreSite) -> None:
        """A blob is read as written, also after opening again; a second one of the name replaces it."""
        store = site.open()
        assert store.blobs.get("whitening") is None
        big = np.random.default_rng(0).bytes(500_000)
        store.blobs.put("whitening", b"old")
        store.blobs.put("whitening", big)
        store.blobs.put("empty", b"")
        store.close()
        with site.open(create=False) as again:
            assert again.blobs.get("whitening") == big
            assert again.blobs.get("empty") == b""
            assert again.blobs.get("other") is None

    def test_blobs_are_found_by_folder(self, site: StoreSite) -> None:
        """A folder gives what is directly in it, however many blobs there are, and nothing of any other."""
        inside = {f"tables/slots/{n}": bytes([n]) * n for n in range(40)}
        with site.open() as store:
            assert store.blobs.folder("tables/slots") == {}
            for name, blob in inside.items():
                store.blobs.put(name, blob)
            for name in ("tables/other", "tables/slots/1/deeper", "slots", "whitening"):
                store.blobs.put(name, b"x")
            store.blobs.put("tables/slots/1", b"new")
            assert store.blobs.folder("tables/slots") == inside | {"tables/slots/1": b"new"}
            assert store.blobs.folder("slots") == {}

    def test_blobs_have_a_bound(self, store: Store) -> None:
        """A blob too large for one point is refused."""
        with pytest.raises(PointRefused, match="bytes"):
            store.blobs.put("big", bytes(MOST_BLOB_BYTES + 1))

    def test_store_survives_closing(self, site: StoreSite, names: Names) -> None:
        """Closing and opening again loses nothing, with or without `optimize`."""
        store = site.open()
        points, items = some_users(names(25)), some_items(25)
        put_users(store.users, points)
        store.items.write(items)
        store.optimize()
        store.close()
        with site.open(create=False) as again:
            again.check()
            assert_users_equal(again.users.read(points.user_ids, True), points, vectors=True)
            assert again.items.count() == 25
            assert len(again.items.search(items.vectors[0], 5, scenario="s1")) == 5
        with site.open(create=True) as again:
            assert again.items.count() == 25

    def test_closed_store_says_so(self, site: StoreSite) -> None:
        """A call after closing is an error in our words; closing twice is none."""
        store = site.open()
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.users.read(["a"])
        with pytest.raises(StoreError, match="closed"):
            put_users(store.users, some_users(["a"]))

    def test_missing_store_is_not_made_by_a_reader(self, site: StoreSite) -> None:
        """Without `create` a missing store is an error that says what to run, and stays missing."""
        for _ in range(2):
            with pytest.raises(StoreNotFound, match="driftline replay"):
                site.open(create=False)

    def test_other_dimensions_are_refused(self, site: StoreSite) -> None:
        """A store made for other dimensions is refused with both numbers and the way out, and kept."""
        with site.open() as store:
            store.items.write(some_items(3))
        for create in (True, False):
            with pytest.raises(StoreMismatch, match=f"{DIM} dimensions.*16.*set encoder.dim = {DIM}"):
                site.open(dim=16, create=create)
        with site.open() as again:
            assert again.items.count() == 3

    def test_other_versions_are_refused(self, site: StoreSite) -> None:
        """A store of another version is refused with both versions and the way out."""
        with site.open() as store:
            assert isinstance(store, EngineStore)
            Meta(store._meta).upgrade(Identity(STORE_VERSION + 1, DIM))
        for create in (True, False):
            with pytest.raises(StoreMismatch, match=f"version {STORE_VERSION + 1}.*to {STORE_VERSION}"):
                site.open(create=create)

    def test_store_without_interests(self, site: StoreSite, names: Names) -> None:
        """A store made without interests keeps none, and is refused to settings that want them."""
        points = some_users(names(5))
        with site.open(interests=False) as store:
            put_users(store.users, points)
            for record in store.users.read(points.user_ids, with_vectors=True):
                assert record is not None and record.interests is not None
                assert record.interests.shape == (0, DIM)
        with pytest.raises(StoreMismatch, match="interests = false"):
            site.open()

    def test_interests_may_be_switched_off_later(self, site: StoreSite) -> None:
        """A store with interests serves settings without them: users lose theirs when they are written."""
        store = site.open()
        points = replace(
            some_users(["a"]), interests=np.eye(2, DIM, dtype=np.float32), interest_offsets=np.array([0, 2])
        )
        put_users(store.users, points)
        store.close()
        with site.open(interests=False) as again:
            put_users(again.users, points)
            (record,) = again.users.read(["a"], with_vectors=True)
            assert record is not None and record.interests is not None and len(record.interests) == 0

    def test_lookalikes_store_the_same(self, site: StoreSite, names: Names) -> None:
        """A graph over the users changes nothing in what is stored."""
        points = some_users(names(20))
        with site.open(lookalikes=True) as store:
            put_users(store.users, points)
            store.optimize()
            assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)
