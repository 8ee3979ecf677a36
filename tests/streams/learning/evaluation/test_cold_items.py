"""Items without behaviour: nobody learns of them, and they alone are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.evaluation.cold_items import asked_of
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.run import evaluate
from streams.learning.split import split_of
from support.data.histories import random_history

SHARE = 0.4
PLAN = Plan(methods=["witness"], tasks=("open", "given"), cold_items=SHARE, force=True)


class Witness:
    """Writes down what it gets; of the items asked for it puts the targets first if it is to."""

    name = "witness"

    def __init__(self, knows: bool) -> None:
        self.knows, self.asked, self.told = knows, [], []

    def fit(self, history, rows, validation):
        self.history, self.asked, self.told = history, [validation], [rows]

    def learn(self, rows):
        self.told.append(rows)

    def scores(self, queries):
        self.asked.append(queries)
        out = np.zeros((len(queries), len(self.history.items)), np.float32)
        if self.knows:
            out[queries.target_query, queries.target_item] = 1
        return out


@pytest.fixture(scope="module")
def whole():
    """A log whose items all have a text."""
    history = random_history(users=80, items=60, events=3000)
    return replace(history, item_texts=[f"thing {name}" for name in history.items])


def hidden_names(asked) -> set[str]:
    """What competes."""
    return {asked.history.items[code] for code in asked.tasks[0].candidates.all.tolist()}


def test_nothing_of_hidden_items_reaches_a_method(whole):
    """Not in histories, training, validation, nor while it is judged; all else is there as it was."""
    split = split_of(whole, "time", 0.2, 0.2, force=True)
    asked = asked_of(whole, split, PLAN)
    hidden = hidden_names(asked)
    assert len(hidden) == round(SHARE * len(whole.items))
    witness = Witness(False)
    evaluate(asked.history, asked.split, PLAN, methods={"witness": lambda setup: witness}, tasks=asked.tasks)
    history = witness.history

    def events(log, rows):
        return sorted(
            (log.users[log.user[row]], log.items[log.item[row]], float(log.time[row])) for row in rows
        )

    left = [each for each in events(whole, range(len(whole))) if each[1] not in hidden]
    assert events(history, range(len(history))) == left
    assert {
        history.items[code] for queries in witness.asked[:1] for code in queries.target_item
    } & hidden == set()
    told = np.concatenate(witness.told)
    assert len(np.unique(told)) == len(told) and set(told) <= set(range(len(history)))
    for queries in witness.asked[1:]:
        for query in range(len(queries)):
            user, seen = int(queries.user[query]), int(queries.seen[query])
            own = history.time[history.offsets[user] : history.offsets[user + 1]]
            assert seen - history.offsets[user] == (own < queries.time[query]).sum() > 0


def test_what_is_asked_is_the_whole_logs_new_targets_among_hidden_items(whole):
    """Counted one by one; who knows them ranks them first; no rank is below the number of hidden items."""
    split = split_of(whole, "time", 0.2, 0.2, force=True)
    asked = asked_of(whole, split, PLAN)
    hidden = hidden_names(asked)
    expected = set()
    for row in split.test.tolist():
        user, item, time = whole.user[row], whole.item[row], whole.time[row]
        mine = slice(whole.offsets[user], whole.offsets[user + 1])
        before = {whole.items[code] for code in whole.item[mine][whole.time[mine] < time].tolist()}
        if whole.items[item] in hidden and whole.items[item] not in before and before - hidden:
            expected.add((whole.users[user], whole.items[item], float(time)))
    (task, named), history = asked.tasks, asked.history
    queries = task.queries
    targets = zip(
        queries.user[queries.target_query],
        queries.target_item,
        queries.time[queries.target_query],
        strict=True,
    )
    assert {
        (history.users[user], history.items[item], float(time)) for user, item, time in targets
    } == expected
    assert len(expected) > 20 and named.queries.targets == len(expected)
    assert (task.facts.user == queries.user[queries.target_query]).all()
    assert (queries.target_row < 0).all() and task.facts.new.all() and not task.facts.item_events.any()
    for knows in (True, False):
        make = {"witness": lambda setup, knows=knows: Witness(knows)}
        found = evaluate(asked.history, asked.split, PLAN, methods=make, tasks=asked.tasks)
        first, second = (result.rank[0] for result in found.results)
        assert (first == 1).mean() > 0.8 if knows else len(set(first.tolist())) > 5
        assert first.min() >= 1 and second.max() < first.max() <= len(hidden)


def test_what_can_not_be_asked_is_said(whole, tmp_path):
    """No texts, no moment, few targets, a model that knows them."""
    split = split_of(whole, "time", 0.2, 0.2, force=True)
    bare = replace(whole, item_texts=[""] * len(whole.items))
    with pytest.raises(EvaluationError, match="--items"):
        asked_of(bare, split, PLAN)
    with pytest.raises(EvaluationError, match="--split time"):
        asked_of(whole, split_of(whole, "last", force=True), PLAN)
    with pytest.raises(EvaluationError, match=r"at least 100.*--cold-items"):
        asked_of(whole, split, replace(PLAN, force=False, cold_items=0.05))
    with pytest.raises(EvaluationError, match="--model"):
        asked_of(whole, split, replace(PLAN, setup=Setup(model=tmp_path)))
