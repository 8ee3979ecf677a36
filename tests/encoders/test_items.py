"""Item vectors in memory: bounded, least recently used out first, provisional entries looked at again."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.vector_cache import ItemVectorCache

BIG = 2**64 - 1


def of(keys: list[int], dim: int = 4) -> np.ndarray:
    """A vector that tells its key."""
    return np.array(
        [[key % 1009 + column for column in range(dim)] for key in keys], dtype=np.float32
    ).reshape(-1, dim)


def test_known_keys_give_their_vectors_and_unknown_ones_zeros() -> None:
    """One row a key in the order asked, unsigned 64-bit keys included."""
    items = ItemVectorCache(4, 100)
    items.put([7, BIG, 9], of([7, BIG, 9]), now=0.0)
    vectors, known = items.get(np.array([BIG, 5, 7, 7], dtype=np.uint64), now=0.0)
    assert known.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(vectors[known], of([BIG, 7, 7]))
    np.testing.assert_array_equal(vectors[1], 0)
    assert len(items) == 3
    assert items.get([], now=0.0)[0].shape == (0, 4)


def test_what_was_given_out_is_not_changed_later() -> None:
    """Vectors are copies: a later write or eviction doesn't reach them."""
    items = ItemVectorCache(4, 2)
    items.put([1], of([1]), now=0.0)
    vectors, _ = items.get([1], now=0.0)
    items.put([2, 3], of([2, 3]), now=0.0)
    np.testing.assert_array_equal(vectors, of([1]))


def test_least_recently_used_goes_first() -> None:
    """Looking an item up keeps it; what was longest not asked for makes room."""
    items = ItemVectorCache(4, 3)
    for key in (1, 2, 3):
        items.put([key], of([key]), now=0.0)
    items.get([1], now=0.0)
    items.put([4], of([4]), now=0.0)
    assert items.get([1, 2, 3, 4], now=0.0)[1].tolist() == [True, False, True, True]
    assert len(items) == 3


def test_more_than_fits_keeps_the_last() -> None:
    """A batch larger than the capacity is taken as far as it goes, and the bound holds."""
    items = ItemVectorCache(4, 5)
    items.put(list(range(1, 21)), of(list(range(1, 21))), now=0.0)
    assert len(items) == 5
    vectors, known = items.get(list(range(1, 21)), now=0.0)
    assert np.flatnonzero(known).tolist() == [15, 16, 17, 18, 19]
    np.testing.assert_array_equal(vectors[15:], of([16, 17, 18, 19, 20]))


def test_of_equal_keys_in_a_call_the_last_counts() -> None:
    """The same item twice in a batch of changes is the later one."""
    items = ItemVectorCache(4, 5)
    items.put([1, 2, 1], of([10, 20, 30]), now=0.0)
    np.testing.assert_array_equal(items.get([1, 2], now=0.0)[0], of([30, 20]))
    assert len(items) == 2


def test_provisional_entries_are_looked_at_again() -> None:
    """An item that no catalogue named is asked for again after recheck_s, and content replaces it for good."""
    items = ItemVectorCache(4, 10, recheck_s=60.0)
    items.put([1], of([1]), now=100.0, provisional=True)
    assert items.get([1], now=159.0)[1].tolist() == [True]
    assert items.get([1], now=160.0)[1].tolist() == [False]
    items.put([1], of([1]), now=160.0, provisional=True)
    assert items.get([1], now=219.0)[1].tolist() == [True]
    items.put([1], of([2]), now=219.0)
    vectors, known = items.get([1], now=1e9)
    assert known.tolist() == [True]
    np.testing.assert_array_equal(vectors, of([2]))


def test_provisional_never_replaces_content() -> None:
    """A slow lookup that found nothing doesn't undo what a catalogue brought meanwhile."""
    items = ItemVectorCache(4, 10)
    items.put([1], of([1]), now=0.0)
    items.put([1, 2], of([8, 9]), now=0.0, provisional=True)
    np.testing.assert_array_equal(items.get([1, 2], now=1.0)[0], of([1, 9]))
    assert items.get([1], now=1e9)[1].all()


def test_discarded_items_are_unknown() -> None:
    """A changed item is forgotten so that the next event reads it again; unknown keys don't matter."""
    items = ItemVectorCache(4, 2)
    items.put([1, 2], of([1, 2]), now=0.0)
    items.discard([2, 77])
    assert items.get([1, 2], now=0.0)[1].tolist() == [True, False]
    items.put([3], of([3]), now=0.0)
    assert len(items) == 2 and items.get([1], now=0.0)[1].all()


def test_memory_grows_with_what_is_held_up_to_the_bound() -> None:
    """A large bound costs nothing until it is used, and is never passed."""
    items = ItemVectorCache(32, 5000)
    small = items.nbytes
    keys = list(range(1, 12_001))
    for start in range(0, len(keys), 700):
        part = keys[start : start + 700]
        items.put(part, of(part, 32), now=0.0)
    assert small < items.nbytes // 4
    assert items.nbytes == 5000 * (32 * 4 + 8 + 8 + 8)
    assert len(items) <= 5000
    vectors, known = items.get(keys, now=0.0)
    assert known[-2000:].all()
    np.testing.assert_array_equal(vectors[known], of(keys, 32)[known])


@settings(max_examples=80, deadline=None)
@given(
    capacity=st.integers(1, 12),
    steps=st.lists(
        st.tuples(st.sampled_from(["get", "put", "discard"]), st.lists(st.integers(1, 20), max_size=15)),
        max_size=40,
    ),
)
def test_behaves_like_a_plain_ordered_dict(capacity: int, steps: list[tuple[str, list[int]]]) -> None:
    """Any sequence of calls: never above the bound, never a wrong vector, never forgets more than a plain LRU must."""
    items = ItemVectorCache(4, capacity)
    plain: OrderedDict[int, int] = OrderedDict()
    crowded = False  # whether there was ever more to keep than there is room for
    for version, (step, keys) in enumerate(steps):
        if step == "put":
            items.put(keys, of([key + 20 * version for key in keys]), now=0.0)
            for key in keys:
                plain[key] = key + 20 * version
                plain.move_to_end(key)
            crowded |= len(plain) > capacity
        elif step == "discard":
            items.discard(keys)
            for key in keys:
                plain.pop(key, None)
        else:
            vectors, known = items.get(keys, now=0.0)
            held = [key for key, hit in zip(keys, known.tolist(), strict=True) if hit]
            np.testing.assert_array_equal(vectors[known], of([plain[key] for key in held]))
            if not crowded:
                assert set(held) == set(keys) & set(plain)
        assert len(items) <= capacity


def test_threads_may_share_it() -> None:
    """Lookups and writes from several threads never mix vectors up."""
    items = ItemVectorCache(4, 64)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(150):
            keys = rng.integers(1, 200, size=20).tolist()
            vectors, known = items.get(keys, now=0.0)
            np.testing.assert_array_equal(vectors[known], of(keys)[known])
            items.put(keys, of(keys), now=0.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(items) <= 64


def test_wrong_calls_are_refused() -> None:
    """Key 0, shapes that don't fit and impossible sizes are errors, and change nothing."""
    items = ItemVectorCache(4, 8)
    with pytest.raises(ValueError, match="key 0"):
        items.put([1, 0], of([1, 0]), now=0.0)
    with pytest.raises(ValueError, match="don't fit"):
        items.put([1, 2], of([1]), now=0.0)
    assert len(items) == 0
    with pytest.raises(ValueError, match="at least 1"):
        ItemVectorCache(4, 0)
