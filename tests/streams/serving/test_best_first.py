"""The order in which scores are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from streams.serving.best_first import BestFirst, columns_of


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_that_of_a_whole_sort(seed: int) -> None:
    """Whatever pages are looked at, by score and then by key, with many equal scores, over all that take part."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 3000))
    scores = rng.integers(0, int(rng.choice([3, 50, 10**6])), count).astype(np.float32)
    keys = rng.permutation(10 * count)[:count].astype(np.uint64)
    allowed = rng.random(count) < rng.choice([0.01, 0.9])
    whole = np.flatnonzero(allowed)[np.lexsort((keys[allowed], -scores[allowed]))].tolist()
    best = BestFirst(scores, keys, allowed)
    assert len(best) == len(whole)
    begin, found = 0, []
    while begin < len(whole):
        end = begin + int(rng.integers(1, 500))
        found += best.columns(begin, end).tolist()
        begin = end
    assert found == whole
    assert best.columns(0, 10**6).tolist() == whole


@pytest.mark.parametrize("ascending", [True, False])
def test_columns_of_keys(ascending: bool) -> None:
    """Those that are there, in whatever order the keys are; none where there are no keys."""
    keys = np.random.default_rng(0).permutation(100).astype(np.uint64)
    keys = np.sort(keys) if ascending else keys
    wanted = np.array([150, 3, 99, 101, 0], np.uint64)
    assert keys[columns_of(keys, wanted)].tolist() == [3, 99, 0]
    assert columns_of(keys[:0], wanted).tolist() == []
