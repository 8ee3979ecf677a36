"""Item vectors from behaviour: counts as defined, PMI as published, vectors that tell clusters apart."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
from hypothesis import given
from scipy.sparse import csr_array

from encoders.behaviour import behaviour_vectors, cooccurrence, positive_pmi, spectral_vectors
from encoders.config import FitConfig

Ints = npt.NDArray[np.int64]
ITEMS = 7
WIDE = FitConfig(window=5)


def counted(item: Ints, step: Ints, user: Ints, window: int) -> npt.NDArray[np.float64]:
    """The definition, pair by pair."""
    baskets: dict[int, set[int]] = {}
    for row in range(len(item)):
        baskets.setdefault(int(step[row]), set()).add(int(item[row]))
    owner = dict(zip(step.tolist(), user.tolist(), strict=True))
    order = sorted(baskets)
    total = np.zeros((ITEMS, ITEMS))
    for place, one in enumerate(order):
        for other_place, other in enumerate(order):
            apart = abs(place - other_place)
            if owner[one] != owner[other] or apart > window:
                continue
            sizes = len(baskets[one]), len(baskets[other])
            weight = 1 / max(sizes[0] - 1, 1) if not apart else 1 / (apart * np.sqrt(sizes[0] * sizes[1]))
            for i in baskets[one]:
                for j in baskets[other] - {i}:
                    total[i, j] += weight
    return total


@st.composite
def logs(draw: st.DrawFn) -> tuple[Ints, Ints, Ints]:
    """item, step and user of events in order."""
    events = draw(st.lists(st.tuples(st.integers(0, ITEMS - 1), st.booleans(), st.booleans()), max_size=40))
    item = np.array([event[0] for event in events], np.int64)
    next_user = np.array([event[1] for event in events], np.bool_)
    user = np.cumsum(next_user).astype(np.int64)
    step = np.cumsum(next_user | np.array([event[2] for event in events], np.bool_)).astype(np.int64)
    return item, step, user


@given(logs(), st.integers(0, 3))
def test_counts_are_the_definitions(log: tuple[Ints, Ints, Ints], window: int) -> None:
    """The sparse products give what counting pair by pair gives, symmetric and without a diagonal."""
    item, step, user = log
    pairs = cooccurrence(item, step, user, ITEMS, window).toarray()
    assert np.allclose(pairs, counted(item, step, user, window), atol=1e-5)
    assert np.allclose(pairs, pairs.T)
    assert not np.diagonal(pairs).any()


def test_plain_pmi_is_that_of_the_dense_formula() -> None:
    """log p(i, j) / (p(i) p(j)), negative values left out."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (6, 6)).astype(np.float64)
    counts = counts + counts.T + 1
    p = counts / counts.sum()
    expected = np.log(p / np.outer(p.sum(1), p.sum(0)))
    found = positive_pmi(csr_array(counts), smoothing=1.0).toarray()
    assert np.allclose(found, np.maximum(expected, 0), atol=1e-6)
    shifted = positive_pmi(csr_array(counts), smoothing=1.0, shift=1.2).toarray()
    assert np.allclose(shifted, np.maximum(expected - np.log(1.2), 0), atol=1e-6)


def test_smoothing_lowers_what_rare_contexts_say() -> None:
    """An item that is nearly always met with a rare one is less sure of it than plain PMI is."""
    counts = np.array([[0, 1, 40], [1, 0, 40], [40, 40, 0]], np.float64)
    plain, smooth = (positive_pmi(csr_array(counts), smoothing).toarray() for smoothing in (1.0, 0.75))
    assert smooth[2, 0] < plain[2, 0]


def clustered(users: int = 200, length: int = 8) -> tuple[Ints, Ints, Ints]:
    """Users who each stay within one of four groups of ten items."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 4, users)
    item = (group[:, None] * 10 + rng.integers(0, 10, (users, length))).reshape(-1)
    return item, np.arange(len(item)), np.repeat(np.arange(users), length)


def test_what_is_met_together_lies_together() -> None:
    """Every item's nearest neighbours are of its own group."""
    vectors = behaviour_vectors(*clustered(), 40, 16, WIDE).vectors
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :5] // 10
    assert (nearest == np.arange(40)[:, None] // 10).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_same_log_gives_the_same_vectors() -> None:
    """Nothing is left to chance: equal input and seed, equal bits."""
    first, second = (behaviour_vectors(*clustered(), 40, 16, FitConfig(seed=5)).vectors for _ in range(2))
    assert np.array_equal(first, second)


def test_an_item_met_alone_has_no_vector() -> None:
    """What was never met with another item is not given a place by rounding."""
    item, step, user = clustered()
    item, step = np.append(item, 40), np.append(step, len(step))
    behaviour = behaviour_vectors(item, step, np.append(user, user.max() + 1), 41, 16, WIDE)
    assert behaviour.known.tolist() == [True] * 40 + [False]
    assert not behaviour.vectors[40].any()
    assert behaviour.counts[40] == 1


def test_fewer_items_than_dimensions() -> None:
    """A tiny catalogue gets vectors of full width."""
    vectors = behaviour_vectors(np.array([0, 1, 2]), np.arange(3), np.zeros(3, np.int64), 3, 8, WIDE).vectors
    assert vectors.shape == (3, 8)
    assert np.isfinite(vectors).all()
    assert not spectral_vectors(csr_array((3, 3), dtype=np.float32), 8).any()
