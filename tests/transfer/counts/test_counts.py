"""The counts hold what happened, whatever the order and the batches, and merge by addition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks.counted import item_shares, neighbours, observe
from support.data.counted_events import (
    NAMES,
    SMALL,
    Step,
    assert_counts,
    assert_same,
    contents,
    first_of,
    sequences,
    step_lists,
)
from transfer.counts.config import CountsConfig
from transfer.counts.counts import NEXT, WINDOW, ItemCounts, empty_counts
from transfer.counts.of_log import LogColumns, counts_of_log
from transfer.counts.reading import CodedCounts
from transfer.counts.sums import merge_counts, trim

moderate = settings(deadline=None, max_examples=60)


def counted(*batches: list[Step], config: CountsConfig = SMALL) -> ItemCounts:
    """Batch by batch, each with all events before as known ones."""
    counts, known = empty_counts(config), []
    for batch in batches:
        counts = merge_counts(counts, observe(sequences(known, batch), config), config)
        known = known + batch
    return counts


@moderate
@given(step_lists)
def test_the_counts_hold_what_happened(events: list[Step]) -> None:
    """Counts, transitions and totals are those of a plain reading of the definition."""
    if any(event.item for event in events):
        assert_counts(counted(events), [events], SMALL)


@moderate
@given(step_lists, st.randoms(use_true_random=False), st.lists(st.integers(0, 40), max_size=5))
def test_order_and_batches_are_no_matter(events: list[Step], random, cuts: list[int]) -> None:
    """Shuffled, so that many events come late and baskets in pieces, and split anywhere: the same counts. (Debuts alone go by
    the order in which events are applied.)"""
    shuffled = random.sample(events, len(events))
    bounds = [0, *sorted(cuts), len(events)]
    batches = [shuffled[a:b] for a, b in itertools.pairwise(bounds) if shuffled[a:b]]
    if any(event.item for event in events):
        assert_counts(counted(*batches), batches, SMALL)


@moderate
@given(step_lists, step_lists, step_lists)
def test_merging_is_commutative_and_associative(a: list[Step], b: list[Step], c: list[Step]) -> None:
    """Whatever is merged first, the sum is the same."""
    x, y, z = (counted(events) for events in (a, b, c))
    assert_same(merge_counts(x, y, SMALL), merge_counts(y, x, SMALL))
    assert_same(
        merge_counts(merge_counts(x, y, SMALL), z, SMALL), merge_counts(x, merge_counts(y, z, SMALL), SMALL)
    )


@moderate
@given(step_lists, st.lists(st.floats(1.0, 500.0), min_size=1, max_size=4))
def test_decay_composes(events: list[Step], waits: list[float]) -> None:
    """Carried on in many small steps of time, the counts are those of one large step."""
    apart = 99
    time = 120.0
    slow = counted(events)
    for wait in waits:
        time += wait
        slow = merge_counts(slow, counted([Step(9, time, apart, 0)]), SMALL)
    fast = merge_counts(counted(events), counted([Step(9, time, apart, 0)]), SMALL)
    for found, expected in zip(contents(slow), contents(fast), strict=True):
        for key, row in expected.items():
            if apart not in key:
                np.testing.assert_allclose(found.get(key, np.zeros_like(row)), row, rtol=1e-4, atol=1e-5)


def test_a_basket_is_one_step() -> None:
    """What has one timestamp leads to nothing of its own basket, and each of it leads to the next basket."""
    counts = counted([Step(0, 0.0, 1, 0), Step(0, 0.0, 2, 0), Step(0, 10.0, 3, 0)])
    found = neighbours(counts, np.array([1, 2, 3, 4], np.uint64))
    assert found.items.tolist() == [3, 3] and found.offsets.tolist() == [0, 1, 2, 2, 2]
    assert found.probabilities.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_next_and_window_are_told_apart() -> None:
    """The basket right before counts in both columns, earlier ones within the window in one, the rest in none."""
    counts = counted([Step(0, 10.0 * n, n + 1, 0) for n in range(4)])
    _, pairs = contents(counts)
    assert set(pairs) == {(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)}
    assert pairs[1, 3][NEXT] == 0 < pairs[1, 3][WINDOW]
    assert pairs[1, 2][NEXT] == pairs[1, 2][WINDOW] > 0


def test_shares_are_of_everything_or_of_a_scenario() -> None:
    """Shares sum to one over the items, in all or in a scenario; the unknown has none."""
    counts = counted([Step(0, 0.0, 1, 0), Step(1, 0.0, 1, 1), Step(1, 0.0, 2, 1), Step(2, 0.0, 2, 1)])
    keys = np.array([2, 1, 7], np.uint64)
    np.testing.assert_allclose(item_shares(counts, keys)[:, 0], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(item_shares(counts, keys, NAMES[1])[:, 0], [2 / 3, 1 / 3, 0.0])
    assert not item_shares(counts, keys, "nowhere").any()
    coded = CodedCounts(counts, keys, NAMES)
    np.testing.assert_allclose(coded.shares(-1)[:, 0], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(coded.shares(1)[:, 0], [2 / 3, 1 / 3, 0.0], rtol=1e-6)


def test_debuts_are_first_meetings() -> None:
    """One who comes again and again makes an item popular, but it is met by few; a late event moves no debut."""
    often = [Step(0, 10.0 * n, 1, 0) for n in range(6)]
    counts = counted(
        [*often, Step(1, 0.0, 2, 0)], [Step(2, 0.0, 2, 1), Step(2, 20.0, 2, 0)], [Step(1, -5.0, 2, 0)]
    )
    keys, horizons = np.array([1, 2], np.uint64), len(SMALL.half_lives_s)
    np.testing.assert_allclose(item_shares(counts, keys)[:, horizons - 1], [6 / 10, 4 / 10])
    np.testing.assert_allclose(item_shares(counts, keys)[:, -1], [1 / 3, 2 / 3])
    np.testing.assert_allclose(item_shares(counts, keys, NAMES[1])[:, -1], [0, 1])
    assert item_shares(counts, keys)[:, horizons - 1].argmax() == 0


def test_a_recent_rise_shows_at_the_short_half_life() -> None:
    """An old favourite leads over all time, what is new leads among the recent."""
    counts = counted([Step(n, 0.0, 1, 0) for n in range(9)] + [Step(n, 1000.0, 2, 0) for n in range(3)])
    shares = item_shares(counts, np.array([1, 2], np.uint64))
    assert shares[:, counts.horizons - 1].argmax() == 0 and shares[:, 0].argmax() == 1


def test_caps_keep_the_heaviest_and_totals_stay_honest() -> None:
    """Above a cap the light ones go; what is left keeps its share of everything that was counted."""
    config = CountsConfig(
        max_neighbours=2, pair_window=1, half_lives_s=(float("inf"),), pair_half_life_s=float("inf")
    )
    events = [
        Step(10 * n + m, at, item, 0)
        for n in range(1, 8)
        for m in range(n)
        for at, item in ((0.0, 50), (1.0, n))
    ]
    found = neighbours(counted(events, config=config), np.array([50], np.uint64))
    assert found.items.tolist() == [6, 7]
    np.testing.assert_allclose(found.probabilities[:, NEXT], [6 / 28, 7 / 28])

    few = trim(counted(events), SMALL.model_copy(update={"max_counts": 3, "max_pairs": 2}), slack=1)
    assert len(few.share_item) == 3 and few.items.tolist() == [6, 7, 50]
    assert few.pairs == 2
    np.testing.assert_allclose(item_shares(few, np.array([50], np.uint64))[0, -1], 0.5)


def test_a_log_block_by_block_is_the_log_at_once() -> None:
    """Reading a log in blocks, progressively, gives what one pass gives, and matrices speak its item codes."""
    rng = np.random.default_rng(3)
    events = sorted(
        Step(int(u), 10.0 * int(t), int(i) + 1, int(s))
        for u, t, i, s in zip(*(rng.integers(0, n, 300) for n in (5, 60, 20, 3)), strict=True)
    )
    user, time, item, scenario = (np.array(column) for column in zip(*events, strict=True))
    offsets = np.searchsorted(user, np.arange(6))
    keys = np.arange(20, 0, -1).astype(np.uint64)  # in an order of its own
    columns = (offsets, time, (20 - item).astype(np.int32), keys, scenario.astype(np.int32), NAMES)
    met: set[tuple[int, int]] = set()
    debut = np.array([first_of(met, (event.user, event.item)) for event in events])
    log = LogColumns(*columns, debut)
    rows = np.argsort(time, kind="stable")
    whole = counts_of_log(log, rows, SMALL)
    assert_counts(whole, [events], SMALL)
    some = counts_of_log(log, rows[:100], SMALL, block=7)
    assert_same(counts_of_log(log, rows[100:], SMALL, counts=some, block=13), whole)
    matrix = CodedCounts(whole, keys, NAMES).transitions[NEXT].toarray()
    found = neighbours(whole, np.array([7], np.uint64))
    np.testing.assert_allclose(
        matrix[13][20 - found.items.astype(int)], found.probabilities[:, NEXT], rtol=1e-6
    )
    np.testing.assert_allclose(matrix[13].sum(), 1.0, rtol=1e-5)
    # Some items of the log are missing here, and one of these was never seen; so was the last scenario.
    some_keys, names = np.append(keys[::3], np.uint64(99)), (*NAMES, "unseen")
    coded = CodedCounts(whole, some_keys, names)
    for code, name in zip((-1, *range(len(names))), (None, *names), strict=True):
        expected = item_shares(whole, some_keys, name).astype(np.float32)
        np.testing.assert_array_equal(coded.shares(code), expected)
        asked = np.array([2, 0, 2, len(some_keys) - 1])
        np.testing.assert_array_equal(coded.shares_at(code, asked), expected[asked])
        assert (name == "unseen") != expected.any()


def test_settings_that_count_otherwise_have_another_fingerprint() -> None:
    """Half-lives and windows make counts incompatible; caps do not. Infinity survives JSON."""
    config = CountsConfig()
    assert CountsConfig.model_validate_json(config.model_dump_json()) == config
    assert config.fingerprint() != CountsConfig(half_lives_s=(1.0,)).fingerprint()
    assert config.fingerprint() == CountsConfig(max_counts=5).fingerprint()
    with pytest.raises(ValueError, match="must ascend"):
        CountsConfig(half_lives_s=(2.0, 1.0))
