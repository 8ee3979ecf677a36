"""Pairs of users and items, called taken or not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.pairs import NEGATIVES, PairTally
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.report import markdown
from streams.learning.evaluation.run import evaluate
from streams.learning.evaluation.summary import summarise
from streams.learning.pair_figures import taken_items
from streams.learning.split import split_of
from support.data.histories import random_history

HISTORY = random_history(users=40, items=40, events=2000)
SPLIT = split_of(HISTORY, "time", 0.2, 0.2, force=True)


class Foreseeing:
    """Puts a share of the targets first, and all else by a random score that is the item's own."""

    name = "foreseeing"

    def __init__(self, share: float) -> None:
        self.share = share

    def fit(self, history, rows, validation):
        self.own = np.random.default_rng(1).random(len(history.items)).astype(np.float32)

    def learn(self, rows):
        pass

    def scores(self, queries):
        out = np.tile(self.own, (len(queries), 1))
        known = np.random.default_rng(int(queries.seen[0])).random(queries.targets) < self.share
        out[queries.target_query[known], queries.target_item[known]] = 2
        return out


def run(*shares: float):
    methods = {f"f{share}": lambda setup, share=share: Foreseeing(share) for share in shares}
    return evaluate(HISTORY, SPLIT, Plan(methods=list(methods)), methods=methods)


def test_foresight_is_told_from_chance() -> None:
    """A method that foresees everything has no mistakes, one that foresees nothing an AUC of a half, another is between; the
    figures are in the results and in the report."""
    figures = summarise(run(0.0, 0.5, 1.0))
    found = [figures["tasks"]["open"]["methods"][f"f{share}"]["pairs"] for share in (0.0, 0.5, 1.0)]
    assert found[2]["auc"] > 0.99 and found[2]["f1"] > 0.95
    assert abs(found[0]["auc"] - 0.5) < 0.06 and found[0]["f1"] < found[1]["f1"] < found[2]["f1"]
    assert found[0]["auc"] + 0.1 < found[1]["auc"] < found[2]["auc"] - 0.1
    assert "### Pairs called taken or not" in markdown(json.loads(json.dumps(figures)), "driftline evaluate")


def test_seeds_are_kept_apart_and_averaged() -> None:
    """A row of figures for each run, the mean of which is told."""
    (result,) = run(0.5).results
    assert result.pairs.shape == (1, 5)


def test_the_threshold_is_one_of_validation() -> None:
    """Figures of the test come from a threshold that it had no part in: another one changes precision and recall, not AUC."""
    queries = SPLIT.queries(HISTORY, "test", "open")
    tally = PairTally(
        HISTORY, Candidates.of_split(HISTORY, SPLIT), taken_items(HISTORY, SPLIT.train), queries
    )
    method = Foreseeing(0.6)
    method.fit(HISTORY, SPLIT.train, queries)
    for begin in range(0, len(queries), 50):
        part = queries.take(slice(begin, begin + 50))
        tally.add(method.scores(part), part)
    (low,), (high,) = tally.figures(0.1), tally.figures(0.99)
    assert low[1] > high[1] and low[0] < high[0] and low[3] == high[3]
    assert tally.figures(np.inf).shape == (0, 5)
    scores, labels = tally._of(0)
    assert labels.sum() >= 200 and (~labels).sum() <= NEGATIVES * labels.sum()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_all_methods_are_asked_of_the_same_pairs() -> None:
    """Whatever is scored beside, or how often."""
    queries = SPLIT.queries(HISTORY, "test", "open").take(slice(0, 60))
    taken = taken_items(HISTORY, SPLIT.train)
    scores = np.random.default_rng(0).random((len(queries), len(HISTORY.items))).astype(np.float32)
    found = []
    for settings in (1, 2):
        tally = PairTally(HISTORY, Candidates.of_split(HISTORY, SPLIT), taken, queries, settings)
        for setting in range(settings):
            tally.add(scores, queries, setting)
        found.append(tally._of(settings - 1))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert tally.threshold(0) == pytest.approx(tally.threshold(1))
