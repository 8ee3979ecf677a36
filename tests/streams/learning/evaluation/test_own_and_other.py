"""Own items mixed with another method."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.methods.base import Setup, profiles
from streams.learning.evaluation.methods.markov import Markov
from streams.learning.evaluation.methods.own import TAIL
from streams.learning.evaluation.methods.own_and_other import (
    OwnAndEase,
    OwnAndMarkov,
    OwnAndOther,
    OwnAndPopularityOfAWeek,
)
from streams.learning.evaluation.methods.validation import Validation
from streams.learning.queries import open_queries
from streams.learning.split import split_of
from support.data.histories import random_history


def test_the_mixture_is_one_of_distributions():
    """w times own shares plus (1 - w) times the other method's shares, for every half-life and weight it declares."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")[:450]
    queries = open_queries(history, np.arange(450, 550))
    other = Markov()
    method = OwnAndOther(other)
    method.fit(history, rows, queries)
    for params in method.grid:
        method.set(**params)
        theirs = other.scores(queries)
        own = profiles(
            history, queries, params["half_life"], params["by"], since="latest", tail=TAIL
        ).toarray()
        own /= np.maximum(own.sum(axis=1, keepdims=True), 1e-9)
        expected = params["own"] * own + (1 - params["own"]) * theirs
        assert method.scores(queries) == pytest.approx(expected, abs=1e-5)


def test_what_was_learned_meanwhile_counts_for_the_same_queries():
    """Scores of a block that was asked before change after the other method has learned."""
    history = random_history()
    rows = np.argsort(history.time, kind="stable")
    queries = open_queries(history, np.arange(450, 550))
    method = OwnAndMarkov(Setup())
    method.fit(history, rows[:400], queries)
    before = method.scores(queries)
    method.learn(rows[400:])
    assert not np.allclose(before, method.scores(queries))


@pytest.mark.parametrize("kind", [OwnAndMarkov, OwnAndEase, OwnAndPopularityOfAWeek])
def test_each_mixture_fits_and_names_its_settings(kind: type[OwnAndOther]):
    """On a log with repeats each is fitted from a setup, and has half-lives and weights to try."""
    history = random_history()
    split = split_of(history, "time", force=True)
    queries = split.queries(history, "validation", "open")
    method = kind(Setup())
    method.fit(history, split.train, queries)
    assert {"half_life", "by", "own"} <= set(method.grid[0]) <= {"half_life", "by", "own", "other"}
    scores = method.scores(queries)
    assert scores.shape == (len(queries), len(history.items)) and scores.dtype == np.float32


def test_new_items_come_in_the_order_of_the_settings_that_are_best_for_them():
    """With own items taken out, the best setting for new items ranks as the other method does by its own best for them."""
    history = random_history(events=900)
    split = split_of(history, "time", force=True)
    queries = split.queries(history, "validation", "open")
    method, alone = OwnAndMarkov(Setup()), Markov()
    method.fit(history, split.train, queries)
    alone.fit(history, split.train, queries)
    judge = Validation(history, split.train, queries)
    best = float(judge.each(method, method.grid)["new"].max())
    assert best == pytest.approx(float(judge.each(alone, alone.grid)["new"].max()))
    assert all(other["other"] in alone.grid for other in method.grid)
