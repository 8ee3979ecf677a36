"""Results that are kept: whole, exact, and only for the same evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.evaluation.head import head_of
from streams.learning.evaluation.kept import HEAD, KeptResults, results_in, targets_file
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.own import OwnItems
from streams.learning.evaluation.plan import Plan, tasks_of
from streams.learning.evaluation.run import evaluate
from streams.learning.evaluation.summary import summarise
from streams.learning.split import split_of
from streams.settings import Settings
from support.data.histories import random_history

HISTORY = random_history(events=900)
SPLIT = split_of(HISTORY, "time", force=True)


class Interrupting(OwnItems):
    """Is interrupted by Ctrl-C in its test."""

    def learn(self, rows):
        raise KeyboardInterrupt


class Failing(OwnItems):
    """Can't be fitted."""

    def fit(self, history, rows, validation):
        raise EvaluationError("no room")


def kept(folder: Path, plan: Plan, **other) -> KeptResults:
    return KeptResults(folder, head_of(HISTORY, SPLIT, plan), tasks_of(HISTORY, SPLIT, plan), **other)


def run(plan: Plan, keep: KeptResults | None, **methods):
    return evaluate(HISTORY, SPLIT, plan, keep=keep, methods=methods)


def test_an_evaluation_goes_on_where_it_was_interrupted(tmp_path: Path):
    """What was done is there, to the last figure, and isn't done again; the interrupted method is."""
    plan = Plan(["markov", "own"], ("open", "given"))
    first = run(plan, kept(tmp_path / "r", plan), own=Interrupting)
    assert first.interrupted and [result.method for result in first.results] == ["markov"] * 2
    assert len(results_in(tmp_path / "r")) == 2
    again = run(plan, kept(tmp_path / "r", plan), markov=Failing)
    whole = run(plan, None)
    figures, expected = summarise(again, draws=50), summarise(whole, draws=50)
    for task in ("open", "given"):
        for name in plan.methods:
            for key in ("slices", "lists", "params", "reliability"):
                assert (
                    figures["tasks"][task]["methods"][name][key]
                    == expected["tasks"][task]["methods"][name][key]
                )
    assert not again.failed and not again.interrupted


def test_methods_may_be_added_but_nothing_else_may_differ(tmp_path: Path):
    """Another split, sample, setting or log is named; the folder stays as it is."""
    plan = Plan(["popularity"])
    run(plan, kept(tmp_path, plan))
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    kept(tmp_path, replace(plan, methods=["own"], seeds=9))
    tasks = tasks_of(HISTORY, SPLIT, plan)
    other = replace(plan, setup=Setup(settings=Settings(counts={"half_lives_s": [60.0, 600.0]})))
    for head, named in (
        (head_of(HISTORY, split_of(HISTORY, "last", force=True), plan), "split"),
        (head_of(HISTORY, SPLIT, replace(plan, sample=7)), "sample"),
        (head_of(HISTORY, SPLIT, other), "counts.half_lives_s"),
        (head_of(random_history(events=901), SPLIT, plan), "events"),
    ):
        with pytest.raises(EvaluationError, match=f"differs: .*{named}"):
            KeptResults(tmp_path, head, tasks)
    assert files == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_other_folders_are_left_alone_and_damaged_results_named(tmp_path: Path):
    """A folder of something else is refused; a file that can't be read says which it is; half a beginning is begun again."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("meow")
    plan = Plan(["popularity"])
    with pytest.raises(EvaluationError, match="holds no results"):
        kept(tmp_path / "photos", plan)
    folder = tmp_path / "r"
    run(plan, kept(folder, plan))
    (path,) = results_in(folder)
    path.write_bytes(path.read_bytes()[:100])
    failed = run(replace(plan, methods=["popularity", "own"]), kept(folder, plan)).failed
    assert path.name in failed["popularity"] and "delete it" in failed["popularity"]
    (folder / HEAD).unlink()
    path.unlink()
    for left in results_in(folder):
        left.unlink()
    assert kept(folder, plan).load("popularity", 0) is None
    run(plan, kept(folder, plan))
    assert (folder / HEAD).is_file() and results_in(folder)


def test_results_stand_alone(tmp_path: Path):
    """With the targets' file every figure of every slice can be computed again, without the log."""
    plan = Plan(["own"], ("open",))
    evaluation = run(plan, kept(tmp_path, plan))
    (result,) = evaluation.results
    found = np.load(tmp_path / targets_file("open"))
    (path,) = results_in(tmp_path)
    stored = np.load(path)
    means = summarise(evaluation, draws=10)["tasks"]["open"]["methods"]["own"]["slices"]
    for place, name in enumerate(found["slice"].tolist()):
        rank = stored["without_own" if found["without_own"][place] else "rank"][0][found["slices"][place]]
        assert np.mean((rank >= 1) & (rank <= 10)) == pytest.approx(means[name]["recall@10"])
    assert (found["user"] == evaluation.tasks[0].facts.user).all() and (stored["top"] == result.top).all()


def test_a_method_that_fails_costs_the_others_nothing():
    """It is named with its reason; where all fail, that is the error."""
    evaluation = run(Plan(["own", "popularity"]), None, own=Failing)
    assert evaluation.failed == {"own": "no room"} and [one.method for one in evaluation.results] == [
        "popularity"
    ]
    assert summarise(evaluation, draws=10)["failed"] == {"own": "no room"}
    with pytest.raises(EvaluationError, match="no room"):
        run(Plan(["own"]), None, own=Failing)
