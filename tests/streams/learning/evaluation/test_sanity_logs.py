"""Logs with known answers: what every method must read on them, and what no judge may give."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.registry import METHODS
from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.reliability import unpacked
from streams.learning.evaluation.reliability_figures import reliability_figures
from streams.learning.evaluation.run import Evaluation, evaluate
from streams.learning.split import split_of
from streams.settings import Settings
from support.data import sanity_logs
from transfer.config import InterestConfig
from transfer.training.config import TrainConfig

QUICK = [name for name, entry in METHODS.items() if not entry.trained and name != "words-frozen"]
"""These logs have no titles, which the left out one reads."""
TRAINED = ["gru4rec", "driftline"]
"""The others of these kinds differ in the network, and in what of it is left out. They take seconds: few logs ask both."""


class AllAlike:
    """Says the same of all items."""

    name = "all alike"
    answer = 0.0

    def __init__(self, setup):
        pass

    def fit(self, history, rows, validation):
        self.history = history

    def learn(self, rows):
        pass

    def scores(self, queries):
        return np.full((len(queries), len(self.history.items)), self.answer, np.float32)


class NoNumber(AllAlike):
    """Says nothing of any item."""

    name = "no number"
    answer = np.nan


class Prophet(AllAlike):
    """Puts first what comes, known or not."""

    name = "prophet"

    def scores(self, queries):
        out = np.zeros((len(queries), len(self.history.items)), np.float32)
        out[queries.target_query, queries.target_item] = 1
        return out


FIXED = {method.name: method for method in (AllAlike, NoNumber, Prophet)}


@cache
def log(kind: str) -> sanity_logs.SanityLog:
    """One of the logs."""
    made: sanity_logs.SanityLog = getattr(sanity_logs, kind)()
    return made


def judged(kind: str, name: str, tasks: tuple[str, ...] = ("open",), seeds: int = 1) -> Evaluation:
    """One method on one log, with little training."""
    history = log(kind).history
    vectors = np.random.default_rng(0).standard_normal((len(history.items), 8)).astype(np.float32)
    setup = Setup(
        settings=Settings(
            interest=InterestConfig(dim=16),
            train=TrainConfig(width=8, epochs=1, mixture_epochs=3, count_blocks=4, threads=1),
        ),
        content=lambda: (vectors, np.ones(len(vectors), np.bool_)),
        max_seconds=0.3,
    )
    return evaluate(history, log(kind).split, Plan([name], tasks, seeds=seeds, setup=setup), methods=FIXED)


def gains(evaluation: Evaluation, part: str = "all", task: int = 0) -> np.ndarray:
    """(T',) NDCG@10 of each target of a slice."""
    result, chosen = evaluation.results[task], evaluation.tasks[task].slices[part]
    ranks = result.without_own if chosen.without_own else result.rank
    found: np.ndarray = values(ranks[0, chosen.chosen], HEADLINE)
    return found


@pytest.mark.parametrize("name", [*QUICK, "driftline", *FIXED])
def test_what_nobody_had_before_is_a_miss_for_everyone(name):
    """Everybody takes the next never-seen item in the same second: every method reads exactly 0, those that know it, too."""
    evaluation = judged("never_seen", name)
    (task,) = evaluation.tasks
    assert task.slices["unknown"].chosen.all() and task.queries.targets >= 300
    for part in task.slices:
        assert (gains(evaluation, part) == 0).all()
    assert (evaluation.results[0].rank == 0).all() and (evaluation.results[0].without_own == 0).all()


@pytest.mark.parametrize("name", [*QUICK, *TRAINED, "all alike", "no number"])
def test_where_nothing_is_to_predict_every_method_reads_chance(name):
    """Items at random: the mean is that of random ranks, within three standard errors, and so (within four) is the
    mean rank."""
    evaluation = judged("at_random", name)
    items = len(log("at_random").history.items)
    found = gains(evaluation)
    ranks = np.arange(1, items + 1)
    by_rank = values(ranks, HEADLINE)
    expected, error = by_rank.mean(), by_rank.std() / np.sqrt(len(found))
    assert len(found) >= 900 and abs(found.mean() - expected) < 3 * error
    middle = evaluation.results[0].rank.mean()
    assert abs(middle - ranks.mean()) < 4 * ranks.std() / np.sqrt(len(found))


@pytest.mark.parametrize("name", ["markov", "own+markov", "driftline", "prophet"])
def test_where_the_latest_item_says_all_methods_of_order_read_one(name):
    """One cycle of items: what follows the latest item is first every time."""
    found = gains(judged("cycle", name))
    assert len(found) >= 110 and (found == 1).all()


@pytest.mark.parametrize(
    "name", ["own", "own+popularity-7d", "own+markov", "own+ease", "analytic", "driftline"]
)
def test_where_own_items_say_all_methods_of_own_items_read_one(name):
    """Users who come back to one item each: it is first every time."""
    found = gains(judged("faithful", name))
    assert len(found) >= 110 and (found == 1).all()


@pytest.mark.parametrize("name", ["own+markov", "analytic", "driftline"])
def test_items_that_are_not_there_yet_get_no_probability(name):
    """New items come while methods are judged: those that nobody had get hardly anything, the others all."""
    (result,) = judged("growing", name).results
    found = reliability_figures(unpacked(result.reliability))["all"]
    assert found["targets"] >= 100
    assert found["leaked_share"] < 0.005 and found["competing_share"] > 0.99


@pytest.mark.parametrize("name", ["popularity", "popularity-7d", "own", "markov", "all alike", "prophet"])
def test_at_one_moment_nothing_is_known(name):
    """A log of one timestamp: with parts that are given, nothing is earlier than a query and all targets are unknown; no split
    makes such parts, and says so."""
    evaluation = judged("one_moment", name)
    assert evaluation.tasks[0].slices["unknown"].chosen.all() and (gains(evaluation) == 0).all()
    for by in ("time", "events", "last"):
        with pytest.raises(EvaluationError, match=r"empty|too few"):
            split_of(log("one_moment").history, by, force=by == "time")
