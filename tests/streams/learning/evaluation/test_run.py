"""The run: methods are asked only of what they may know, and learn everything once, in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.errors import EvaluationError, SettingsError
from streams.learning.evaluation.judge import BLOCK, WINDOWS, blocks
from streams.learning.evaluation.methods.base import Tunable
from streams.learning.evaluation.methods.registry import METHODS, build, names
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.run import evaluate
from streams.learning.queries import first_rows, new_targets, open_queries
from streams.learning.split import split_of
from support.data.histories import random_history


class Witness:
    """Writes down what it is told, and scores at random."""

    name = "witness"

    def __init__(self, setup):
        self.told, self.asked = [], []
        self.rng = np.random.default_rng(0)

    def fit(self, history, rows, validation):
        self.history = history
        self.told.append(rows)
        self.validation_from = validation.time.min()

    def learn(self, rows):
        self.told.append(rows)

    def scores(self, queries):
        self.asked.append((queries, np.concatenate(self.told)))
        return self.rng.random((len(queries), len(self.history.items))).astype(np.float32)


class Oracle(Witness):
    """Knows the targets if it is set right, for each task otherwise."""

    name = "oracle"

    def __init__(self, setup):
        super().__init__(setup)
        self.grid = [{"right": "none"}, {"right": "open"}, {"right": "given"}]

    def set(self, right):
        self.right = right

    def scores(self, queries):
        out = np.zeros((len(queries), len(self.history.items)), np.float32)
        task = "open" if (queries.scenario < 0).all() else "given"
        if self.right == task:
            out[queries.target_query, queries.target_item] = 1
        return out


class TwoFaced(Witness):
    """Knows repeats with one setting, new items with the other; fitted again, it tells of it."""

    name = "two-faced"

    def __init__(self, setup):
        super().__init__(setup)
        self.grid = [{"knows": "repeat"}, {"knows": "new"}]
        self.refitted_after = None

    def set(self, knows):
        self.knows = knows

    def refit(self):
        self.refitted_after = np.concatenate(self.told)

    def scores(self, queries):
        out = np.zeros((len(queries), len(self.history.items)), np.float32)
        new = new_targets(queries, first_rows(self.history))
        known = new if self.knows == "new" else ~new
        out[queries.target_query[known], queries.target_item[known]] = 1
        return out


def run(method, history, split, **plan):
    made = []

    def make(setup):
        made.append(method(setup))
        return made[-1]

    evaluation = evaluate(
        history, split, Plan([method.name], plan.pop("tasks", ("open",)), **plan), methods={method.name: make}
    )
    return evaluation, made[0]


def test_methods_learn_everything_before_a_block_and_nothing_after():
    """At each block a method has learned all events before the block's first query, each once, and none later."""
    history = random_history(events=900)
    evaluation, witness = run(
        Witness, history, split_of(history, "time", force=True), tasks=("open", "given")
    )
    assert len(witness.asked) > 10
    for queries, known in witness.asked:
        expected = np.flatnonzero(history.time < max(queries.time[0], witness.validation_from))
        assert sorted(known.tolist()) == expected.tolist()
        assert (np.diff(history.time[known]) >= 0).all()
    for result, task in zip(evaluation.results, evaluation.tasks, strict=True):
        assert result.task == task.name
        assert result.rank.shape == (1, task.queries.targets) and (result.rank > 0).all()


def test_leave_one_out_learns_nothing_meanwhile():
    """Where times of different users say nothing, a method knows the training part only."""
    history = random_history()
    split = split_of(history, "last", force=True)
    _, witness = run(Witness, history, split)
    assert all(len(known) == len(split.train) for _, known in witness.asked)


def test_each_task_has_the_settings_that_validation_chose():
    """The best setting of each task by validation is in use when that task is judged."""
    history = random_history(events=900)
    evaluation, _ = run(Oracle, history, split_of(history, "time", force=True), tasks=("open", "given"))
    for task in ("open", "given"):
        (result,) = evaluation.of(task)
        assert result.params == [{"all": {"right": task}, "new": {"right": task}}]
        assert result.rank.max() <= 4  # the largest basket


def test_slices_of_new_items_have_the_setting_that_is_best_for_them():
    """Of one method, all targets are ranked with the best setting for all, new ones without own items with theirs."""
    history = random_history(events=900)
    evaluation, _ = run(TwoFaced, history, split_of(history, "time", force=True))
    (result,), (task,) = evaluation.results, evaluation.tasks
    assert result.params == [{"all": {"knows": "repeat"}, "new": {"knows": "new"}}]
    new = task.facts.new
    assert new.any() and (~new).sum() > new.sum()
    largest = np.bincount(task.queries.target_query).max()
    assert result.rank[0, ~new].max() <= largest and result.without_own[0, new].max() <= largest
    assert not result.without_own[0, ~new].any()


@pytest.mark.parametrize("split", ["time", "last"])
def test_methods_are_fitted_again_with_the_validation_part(split):
    """Right before the test, with everything before it; where time is not one for all users, not at all."""
    history = random_history(events=900)
    cut = split_of(history, split, force=True)
    _, method = run(TwoFaced, history, cut)
    if cut.progressive:
        expected = np.union1d(cut.train, cut.validation)
        assert np.sort(method.refitted_after).tolist() == expected.tolist()
    else:
        assert method.refitted_after is None


def test_blocks_are_small_in_number_and_time():
    """Blocks are all queries in turn, at most 256, and none spans more than its part of the window."""
    history = random_history(events=2000)
    queries = open_queries(history, np.arange(len(history)))
    found = list(blocks(queries))
    assert np.concatenate([np.arange(part.start, part.stop) for part in found]).tolist() == list(
        range(len(queries))
    )
    window = (queries.time[-1] - queries.time[0]) / WINDOWS
    late = replace(queries, time=np.append(queries.time[:-1], queries.time[-1] + 1000 * np.ptp(queries.time)))
    assert len(list(blocks(late))) > 0.8 * len(
        found
    )  # what is learned meanwhile is no staler for one straggler
    for part in found:
        assert part.stop - part.start <= BLOCK
        assert queries.time[part.stop - 1] - queries.time[part.start] <= window * (1 + 1e-9)


def test_popularity_is_counting():
    """All-time counts, or those of the last week before the block's first query; in a named scenario those in it. Debuts are
    counted once a user."""
    history = random_history(events=1500, in_scenarios=False)
    split = split_of(history, "time", force=True)
    week = 7 * 86400.0
    for name, window in (("popularity", np.inf), ("popularity-7d", week), ("debuts-7d", week)):
        method = build(name, Plan([]).setup)
        method.fit(history, split.train, split.queries(history, "validation", "open"))
        later = np.concatenate([split.validation, split.test])
        later = later[np.argsort(history.time[later], kind="stable")]
        done, now = 0, 0.0
        for task in ("open", "given"):
            queries = split.queries(history, "test", task)
            queries = queries.take(np.flatnonzero(queries.time >= now)[20:40])
            now = queries.time[0]
            upto = int(np.searchsorted(history.time[later], now))
            method.learn(later[done:upto])
            done = upto
            scores = method.scores(queries)
            for query in range(len(queries)):
                counted = (history.time < now) & (history.time >= now - window)
                if name == "debuts-7d":
                    counted &= first_rows(history) == np.arange(len(history))
                if task == "given":
                    counted &= history.scenario == queries.scenario[query]
                expected = np.bincount(history.item[counted], minlength=len(history.items))
                assert np.floor(scores[query]).tolist() == expected.tolist()


def test_own_items_rank_before_all_others_and_the_latest_first_when_decay_is_fast():
    """Whatever the half-life, a user's items come first; with a short one they come by recency, however old."""
    history = random_history(events=900)
    split = split_of(history, "time", force=True)
    method = build("own", Plan([]).setup)
    assert isinstance(method, Tunable)
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    queries = split.queries(history, "test", "open")
    for params in [*method.grid, {"half_life": 1e-3, "by": "time"}]:
        method.set(**params)
        scores = method.scores(queries)
        for query in range(len(queries)):
            own = history.item[history.offsets[queries.user[query]] : queries.seen[query]]
            others = np.setdiff1d(np.arange(len(history.items)), own)
            assert scores[query, own].min() > scores[query, others].max() == 0
    latest = queries.seen - 1
    own = history.item[history.offsets[queries.user[-1]] : queries.seen[-1]]
    times = history.time[history.offsets[queries.user[-1]] : queries.seen[-1]]
    newest = {int(item): float(times[own == item].max()) for item in own}
    ranked = sorted(newest, key=lambda item: -scores[-1, item])
    assert newest[ranked[0]] == history.time[latest[-1]]
    assert [newest[item] for item in ranked[:5]] == sorted(newest.values(), reverse=True)[:5]


@pytest.mark.parametrize(
    "name", ["own", "own+markov", "own+ease", "own+popularity-7d", "itemknn", "userknn", "ease", "markov"]
)
def test_methods_with_settings_are_judged_for_each_family(name):
    """From fitting to ranks nothing fails; each family has settings out of the grid, and edges are words about numbers."""
    history = random_history(events=900)
    evaluation = evaluate(history, split_of(history, "time", force=True), Plan([name], ("open", "given")))
    assert not evaluation.failed
    for result in evaluation.results:
        (params,) = result.params
        assert set(params) == {"all", "new"} and params["all"] and params["new"]
        assert all(edge.endswith(("(all)", "(new)", "(all, new)")) for edge in result.edges)


def test_unknown_methods_are_named():
    """A wrong name ends before anything is computed, and says which names there are."""
    with pytest.raises(SettingsError, match="no method 'itemkn'; choose from popularity"):
        names("own, itemkn")
    with pytest.raises(SettingsError, match="no method named"):
        names(" ,")
    with pytest.raises(EvaluationError, match="no method"):
        build("itemkn", Plan([]).setup)
    assert names("own,popularity , own") == ["own", "popularity"]
    assert Plan(["sasrec"], seeds=5).runs("sasrec") == 5 and Plan(["own"], seeds=5).runs("own") == 1
    assert all(entry.module.isidentifier() for entry in METHODS.values())
