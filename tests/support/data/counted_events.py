"""Events for the counts, what they must add up to in plain Python, and how two of them compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from transfer.counts.config import CountsConfig
from transfer.counts.counts import NEXT, WINDOW, ItemCounts
from transfer.counts.steps import Sequences

SMALL = CountsConfig(
    half_lives_s=(50.0, 400.0, float("inf")), pair_window=2, pair_events=4, pair_half_life_s=300.0
)
NAMES = ("books", "games", "music")


class Step(NamedTuple):
    """One event: user, time, item key (0: none), position in NAMES."""

    user: int
    time: float
    item: int
    scenario: int


steps = st.builds(
    Step, st.integers(0, 2), st.integers(0, 12).map(lambda n: 10.0 * n), st.integers(0, 5), st.integers(0, 2)
)
step_lists = st.lists(steps, min_size=1, max_size=40)


def sequences(known: Sequence[Step], fresh: Sequence[Step]) -> Sequences:
    """Both as the counts take them, in order of (user, time)."""
    flagged = [(*step, False) for step in known] + [(*step, True) for step in fresh]
    flagged.sort(key=lambda row: row[:2])
    user, time, item, scenario, is_new = zip(*flagged, strict=True)
    met = {(step.user, step.item) for step in known}
    debut = [new and first_of(met, (who, what)) for who, _, what, _, new in flagged]
    return Sequences(
        user=np.array(user, np.int64),
        time=np.array(time, np.float64),
        item=np.array(item, np.uint64),
        scenario=np.array(scenario, np.int32),
        scenario_names=NAMES,
        fresh=np.array(is_new, np.bool_),
        debut=np.array(debut, np.bool_),
    )


def first_of(met: set[tuple[int, int]], pair: tuple[int, int]) -> bool:
    """Whether the pair was not met, which it then is."""
    if pair in met:
        return False
    met.add(pair)
    return True


Counts = dict[tuple[str, int], np.ndarray]
Pairs = dict[tuple[int, int], np.ndarray]


def reference(batches: Sequence[Sequence[Step]], config: CountsConfig, at: float) -> tuple[Counts, Pairs]:
    """What the events add up to at a time: counts by (scenario, item), transitions by (from, to).

    Batches, as they were applied, matter to debuts alone.
    """
    events, horizons = [event for batch in batches for event in batch], len(config.half_lives_s)
    counts: Counts = defaultdict(lambda: np.zeros(2 * horizons))
    pairs: Pairs = defaultdict(lambda: np.zeros(2))
    baskets: dict[int, dict[float, set[int]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        if event.item:
            counts[NAMES[event.scenario], event.item][:horizons] += decayed(event, config, at)
            baskets[event.user][event.time].add(event.item)
    met: set[tuple[int, int]] = set()
    for batch in batches:
        for event in sorted(batch, key=lambda step: step.time):
            if event.item and first_of(met, (event.user, event.item)):
                counts[NAMES[event.scenario], event.item][horizons:] += decayed(event, config, at)
    for of_user in baskets.values():
        times = sorted(of_user)
        for place, time in enumerate(times):
            weight = 2.0 ** (-(at - time) / config.pair_half_life_s)
            window = times[max(0, place - config.pair_window) : place]
            before = [(back, item) for back in window for item in sorted(of_user[back])][
                -config.pair_events :
            ]
            for back, source in before:
                for target in of_user[time]:
                    pairs[source, target][WINDOW] += weight
                    if back == times[place - 1]:
                        pairs[source, target][NEXT] += weight
    return counts, pairs


def decayed(event: Step, config: CountsConfig, at: float) -> np.ndarray:
    """(H,) what an event counts at a time."""
    weight: np.ndarray = 2.0 ** (-(at - event.time) / config.half_lives)
    return weight


def contents(counts: ItemCounts) -> tuple[Counts, Pairs]:
    """The counts by (scenario, item) and (from, to)."""
    items = counts.items.tolist()
    shares = {
        (counts.scenarios[scenario], items[item]): row
        for scenario, item, row in zip(
            counts.share_scenario.tolist(), counts.share_item.tolist(), counts.share_counts, strict=True
        )
    }
    source = np.repeat(np.arange(len(items)), np.diff(counts.pair_offsets)).tolist()
    pairs = {
        (items[a], items[b]): row
        for a, b, row in zip(source, counts.pair_item.tolist(), counts.pair_counts, strict=True)
    }
    return shares, pairs


def assert_counts(counts: ItemCounts, batches: Sequence[Sequence[Step]], config: CountsConfig) -> None:
    """The counts hold what the events of all batches add up to, and nothing else; totals are the sums of all."""
    shares, pairs = contents(counts)
    expected_counts, expected_pairs = reference(batches, config, counts.t_ref)
    assert_close(shares, expected_counts)
    assert_close(pairs, expected_pairs)
    for name, total in zip(counts.scenarios, counts.share_totals, strict=True):
        expected = sum(row for (scenario, _), row in expected_counts.items() if scenario == name)
        np.testing.assert_allclose(total, expected, rtol=1e-5)
    for item, total in zip(counts.items.tolist(), counts.pair_totals, strict=True):
        expected = sum((row for (source, _), row in expected_pairs.items() if source == item), np.zeros(2))
        np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-5)


def assert_close(found: dict, expected: dict) -> None:
    """Equal up to rounding; what is next to nothing may be missing."""
    for key in {*found, *expected}:
        zero = np.zeros_like(next(iter((found or expected).values())))
        np.testing.assert_allclose(
            found.get(key, zero), expected.get(key, zero), rtol=1e-5, atol=1e-5, err_msg=str(key)
        )


def assert_same(a: ItemCounts, b: ItemCounts) -> None:
    """Two counts are equal up to rounding."""
    assert a.t_ref == b.t_ref
    for found, expected in zip(contents(a), contents(b), strict=True):
        assert_close(found, expected)
