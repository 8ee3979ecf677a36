"""Probes of a log whose tastes are known."""

from __future__ import annotations

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.history_part import part_of
from streams.learning.probes.fit import ProbePlan
from streams.learning.probes.make import make_probes
from streams.learning.split import SplitPlan
from support.data.tastes import TASTES, taste_history, taste_rows
from transfer.config import InterestConfig

PLAN = ProbePlan(count=10)
INTEREST = InterestConfig()


def made(history, share=0.1):
    return make_probes(
        history, SplitPlan(test_share=share, validation_share=0.0, force=True).of(history), INTEREST, PLAN
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return taste_history(tmp_path_factory.mktemp("tastes"), taste_rows())


@pytest.fixture(scope="module")
def probes(history):
    return made(history)


def test_what_tells_tastes_apart_is_asked_and_not_what_everybody_likes(probes):
    """Each taste is asked about; the most liked items, the hits, are not."""
    items = [one.item_id for one in probes.overall.items]
    assert {item.partition("-")[0] for item in items[:6]} == {f"t{taste}" for taste in range(TASTES)}
    assert not [item for item in items if item.startswith("h")]


def test_the_gain_over_the_most_liked_items_is_told_by_other_users(probes, history):
    """Hits tell nothing; the interval is of users who chose nothing."""
    judged = probes.overall.judged
    assert judged["greedy_minus"]["most liked"]["5"]["low"] > 0.05
    assert judged["ndcg@10"]["greedy"]["10"] > judged["ndcg@10"]["most liked"]["10"] + 0.05
    assert judged["users"] + probes.users <= len(history.users)
    assert set(judged["ndcg@10"]) == {"most liked", "popularity", "entropy", "random", "greedy"}


def test_a_probe_says_what_its_answers_mean(probes):
    """Who likes an item of a taste likes the rest of that taste; who knows it and does not, likes others."""
    one = probes.overall.items[0]
    taste = one.item_id.partition("-")[0]
    assert {item.partition("-")[0] for item in one.if_liked} == {taste}
    assert taste not in {item.partition("-")[0] for item in list(one.if_not)[:5]}
    assert "of users know it" in one.reason and "of these like it" in one.reason
    assert 0.2 < one.known < 0.4 and 0.4 < one.liked < 0.8 and one.gain > 0
    assert probes.likes == {"weight": 3.0, "actions": ["purchase"], "all_alike": False}


def test_nothing_of_the_test_part_sways_what_is_asked(tmp_path, history, probes):
    """The same log without it gives the same lists, and the file says until when they know."""
    cut = SplitPlan(test_share=0.1, validation_share=0.0).of(history)
    before = part_of(history, cut.before_test).history
    alone = made(before, share=0.0)
    assert [one.item_id for one in alone.overall.items] == [one.item_id for one in probes.overall.items]
    assert alone.until == probes.until < float(history.time[cut.test].min())


def test_a_log_of_likes_alone_is_asked_about_what_is_known(tmp_path):
    """Every act is a like: not knowing says nothing, and the most liked are the best known."""
    history = taste_history(tmp_path, taste_rows(likes_alone=True))
    found = made(history)
    assert found.likes["all_alike"]
    assert found.overall.judged["greedy_minus"]["most liked"]["5"]["low"] > 0
    means = found.overall.judged["ndcg@10"]
    assert means["popularity"] == means["most liked"]
    assert all(not one.if_not and "like it" not in one.reason.split(";")[0] for one in found.overall.items)


def test_a_scenario_has_a_list_of_its_own_where_there_is_something_to_choose(history):
    """Of its own items alone; a scenario of fewer candidates than two lists has none."""
    cut = SplitPlan(test_share=0.1, validation_share=0.0).of(history)
    found = make_probes(history, cut, INTEREST, ProbePlan(count=3))
    assert set(found.scenarios) <= {"hits", *(f"t{taste}" for taste in range(TASTES))} and found.scenarios
    for name, one in found.scenarios.items():
        assert all(item.item_id.startswith(name[0]) for item in one.items)
    assert not make_probes(history, cut, INTEREST, ProbePlan(count=8)).scenarios


def test_too_few_users_are_told(tmp_path):
    """Nothing is written that would be theirs alone."""
    history = taste_history(tmp_path, taste_rows(30))
    with pytest.raises(EvaluationError, match="too few users know the same items"):
        made(history)


def test_other_users_judge_with_another_seed(history, probes):
    """And the list may be another; the same seed gives the same file."""
    cut = SplitPlan(test_share=0.1, validation_share=0.0).of(history)
    assert make_probes(history, cut, INTEREST, PLAN, seed=0) == probes
    assert make_probes(history, cut, INTEREST, PLAN, seed=1).overall.judged != probes.overall.judged


def test_tastes_are_as_the_log_was_made(history):
    """The log is what the tests above take it for."""
    assert len(history.users) == 360 and np.bincount(history.action)[0] > 1000
