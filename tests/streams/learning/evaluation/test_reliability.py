"""Reliability: what is said of probabilities that are right, and of such as are not."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.reliability import BINS, FLOOR, ReliabilityTally, bin_of, deciles
from streams.learning.evaluation.reliability_figures import reliability_figures
from streams.learning.queries import first_rows, open_queries
from support.data.histories import history_of

ITEMS, USERS = 40, 5


def drawn_log(queries=4000, basket=1, seed=0):
    """Every item is had by someone first; then users take items by probabilities (Q, ITEMS) that change with every query."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(ITEMS, 0.3), queries)
    rows = [("u0", f"i{n}", 1.0, "s") for n in range(ITEMS)] + [("u1", f"i{n}", 1.0, "s") for n in range(10)]
    for query in range(queries):
        taken = rng.choice(ITEMS, basket, replace=False, p=share[query])
        rows += [(f"u{query % USERS}", f"i{item}", 2.0 + query, "s") for item in taken]
    history = history_of(rows)
    at = np.array([history.items.index(f"i{n}") for n in range(ITEMS)])
    asked = open_queries(history, np.flatnonzero(history.time > history.time.min()))
    scores = np.zeros((queries, ITEMS), np.float32)
    scores[:, at] = share
    return history, asked, scores


def judged(history, queries, scores):
    tally = ReliabilityTally(history, Candidates(history), first_rows(history))
    for begin in range(0, len(queries), 300):
        tally.add(scores[begin : begin + 300], queries.take(slice(begin, begin + 300)))
    return tally.result()


def test_probabilities_that_are_right_read_one():
    """In each decile as many hits as predicted, within chance; the loss is the entropy, below that of equal shares."""
    history, queries, scores = drawn_log()
    counted = judged(history, queries, scores)
    figures = reliability_figures(counted)
    for kind in ("again", "new"):
        assert sum(part["hits"] for part in figures[kind]["deciles"]) == figures[kind]["hits"]
        for part in figures[kind]["deciles"]:
            assert abs(part["hits"] - part["predicted"]) < 4 * np.sqrt(part["predicted"])
            assert (part["observed_over_predicted"] is None) == (part["hits"] < 100)
        assert figures[kind]["loss"] < figures[kind]["uniform"]
    assert sum(
        part["predicted"] for kind in ("again", "new") for part in figures[kind]["deciles"]
    ) == pytest.approx(len(queries))
    entropy = -(scores * np.log(np.maximum(scores, 1e-12))).sum(axis=1)
    assert figures["all"]["loss"] == pytest.approx(entropy.mean(), abs=0.05)
    assert figures["all"]["uniform"] == pytest.approx(np.log(ITEMS))
    assert figures["all"]["competing_share"] == pytest.approx(1.0)
    assert figures["all"]["leaked_share"] == pytest.approx(0.0, abs=1e-9)


def test_sharper_probabilities_than_what_happens_are_told():
    """Squared probabilities rank alike and are wrong: the low deciles are hit too often, the high ones too seldom."""
    history, queries, scores = drawn_log()
    sharp = scores**3 / (scores**3).sum(axis=1, keepdims=True)
    counted = judged(history, queries, sharp)
    ratios = [part.ratio for part in deciles(counted, "again") if part.hits >= 100]
    assert ratios[0] > 1.25 and ratios[-1] < 0.9
    figures = reliability_figures(counted)
    assert figures["all"]["loss"] > reliability_figures(judged(history, queries, scores))["all"]["loss"] + 0.1


def test_what_own_items_get_too_much_is_seen_in_both_parts():
    """Own items with twice their share: hits over predicted hits are half there, more than one elsewhere; the losses within the
    parts do not change."""
    history, queries, scores = drawn_log(1000)
    own = np.zeros(scores.shape, np.bool_)
    for query in range(len(queries)):
        own[query, history.item[history.offsets[queries.user[query]] : queries.seen[query]]] = True
    doubled = np.where(own, scores * 2, scores * 0.5).astype(np.float32)
    before, after = (reliability_figures(judged(history, queries, given)) for given in (scores, doubled))
    for kind, factor in (("again", 2.0), ("new", 0.5)):
        assert after[kind]["hits"] == before[kind]["hits"] > 0
        assert after[kind]["predicted"] == pytest.approx(before[kind]["predicted"] * factor)
        assert after[kind]["loss"] == pytest.approx(before[kind]["loss"], abs=1e-3)
        assert after[kind]["observed_over_predicted"] == pytest.approx(
            before[kind]["observed_over_predicted"] / factor
        )


def test_a_basket_of_several_targets_is_as_many_draws():
    """All items alike, baskets of four: 4 / 40 of each item in each query is predicted, and the ratio is one."""
    history, queries, scores = drawn_log(800, basket=4)
    counted = judged(history, queries, np.full_like(scores, 1 / ITEMS))
    assert counted.bins[:, 1].sum() == pytest.approx(4 * 800) and counted.bins[:, 2].sum() == 4 * 800
    assert sum(part.draws for kind in ("again", "new") for part in deciles(counted, kind)) == 4 * 800 * ITEMS
    assert reliability_figures(counted)["all"]["loss"] == pytest.approx(np.log(ITEMS))


def test_what_does_not_compete_is_leaked_and_no_draw():
    """Items that nobody had yet take nothing of what is judged, and their share is told; a target among them is none."""
    rows = [
        ("a", "x", 0.0, "s"),
        ("b", "y", 0.0, "s"),
        ("a", "y", 1.0, "s"),
        ("a", "late", 2.0, "s"),
        ("b", "late", 3.0, "s"),
    ]
    history = history_of(rows)
    queries = open_queries(history, np.flatnonzero(history.time > history.time.min()))
    share = {"x": 0.5, "y": 0.3, "late": 0.2}
    scores = np.tile(np.array([share[name] for name in history.items], np.float32), (3, 1))
    figures = reliability_figures(judged(history, queries, scores))
    # a: y of x and y, new; b: late of all three, new. a's first late is unknown.
    assert (
        figures["all"]["targets"] == 2 and figures["new"]["targets"] == 2 and figures["again"]["targets"] == 0
    )
    assert figures["all"]["leaked_share"] == pytest.approx(0.2 / 2)
    assert figures["all"]["loss"] == pytest.approx(-np.log([0.3, 0.2]).mean(), abs=1e-6)
    assert figures["all"]["uniform"] == pytest.approx(np.log([2, 3]).mean())
    assert figures["new"]["loss"] == pytest.approx(-np.log([1.0, 0.2 / 0.7]).mean(), abs=1e-6)
    assert figures["new"]["uniform"] == pytest.approx(np.log([1, 2]).mean())


def test_no_probability_for_what_happens_is_counted():
    """A target that got zero is told, and its loss is that of the floor instead of infinite."""
    history, queries, _ = drawn_log(50)
    figures = reliability_figures(judged(history, queries, np.zeros((50, ITEMS), np.float32)))
    assert figures["all"]["zero"] == 50
    assert figures["all"]["loss"] == pytest.approx(-np.log(FLOOR))
    assert figures["again"]["deciles"] == figures["new"]["deciles"] == []


def test_bins_are_a_sixteenth_of_an_octave():
    """Bins ascend with p, each at most 1/16 of its octave wide; zero is in the first, 1 and above in the last."""
    p = np.float32(2.0) ** np.linspace(-39.99, -0.01, 20000).astype(np.float32)
    found = bin_of(p)
    assert (np.diff(found) >= 0).all() and found.min() == 1 and found.max() == BINS - 2
    for number in range(1, BINS - 1):
        inside = p[found == number]
        assert inside.max() / inside.min() <= 1 + 1 / 16
    assert bin_of(np.array([0, 1e-13, 1, 3], np.float32)).tolist() == [0, 0, BINS - 1, BINS - 1]
