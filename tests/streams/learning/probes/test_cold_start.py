"""The cold start of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.cold_start_lines import NOTHING, cold_start_lines, cold_start_tables
from streams.learning.probes.cold_start import NAME, ColdStart, kept_name
from streams.learning.probes.fit import ProbePlan, fit_lists, probe_material
from streams.learning.probes.people import people_of
from streams.learning.split import SplitPlan, split_of
from support.data.histories import random_history
from support.data.tastes import taste_history, taste_rows
from transfer.config import InterestConfig

PLAN, INTEREST = ProbePlan(count=10), InterestConfig()


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return taste_history(tmp_path_factory.mktemp("tastes"), taste_rows())


def cold(history, folder=None, seeds=2, plan=PLAN):
    return ColdStart(history, split_of(history), INTEREST, seeds, folder, plan)


def test_greedy_is_above_what_most_like_and_the_report_says_so(history):
    """Two seeds: other users judge; progress counts all of them."""
    done = []
    asked = cold(history)
    found = asked.figures(lambda name, count: done.append((name, count)))
    assert found["greedy_minus"]["most liked"]["5"]["low"] > 0
    assert found["users"] < found["interviews"] < 2 * found["users"]
    assert {name for name, _ in done} == {NAME} and sum(count for _, count in done) == asked.total
    text = "\n".join(cold_start_lines(found))
    assert "| greedy minus | 5 | 10 | 20 |" in text and "liked is purchase" in text
    assert any("greedy - most liked, 5 asked" in str(one) for one in cold_start_tables(found))


def test_what_is_done_of_a_run_that_was_stopped_is_kept(history, tmp_path):
    """A seed that is there is not asked again; of another question, or damaged, it is."""
    whole = cold(history, tmp_path).figures()
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept_name(0), kept_name(1)]
    (tmp_path / kept_name(1)).write_bytes(b"torn")
    first = (tmp_path / kept_name(0)).stat().st_mtime_ns
    assert cold(history, tmp_path).figures() == whole
    assert (tmp_path / kept_name(0)).stat().st_mtime_ns == first
    other = cold(history, tmp_path, seeds=1, plan=ProbePlan(count=4)).figures()
    assert other["ndcg@10"] != cold(history, None, seeds=1).figures()["ndcg@10"]
    assert (tmp_path / kept_name(0)).stat().st_mtime_ns > first


def test_a_log_of_few_users_is_told_so():
    """And costs the rest of the evaluation nothing."""
    history = random_history()
    found = ColdStart(history, split_of(history, force=True), INTEREST, 1).figures()
    assert found == {} and NOTHING in cold_start_lines(found)


def test_nobody_who_is_judged_teaches_anything(history, tmp_path):
    """Without the events of the judged users the same items are asked about."""
    judged = {history.users[code] for code in people_of(history, 0).judged.tolist()}
    others = taste_history(tmp_path, [row for row in taste_rows() if row["user_id"] not in judged])

    def asked(one):
        cut = SplitPlan(test_share=0.0, validation_share=0.0).of(one)
        material = probe_material(one, cut, INTEREST.action_weights, 0)
        lists = fit_lists(material, PLAN, np.random.default_rng(0))
        assert lists is not None
        return {name: [one.items[code] for code in lists.items_of(name).tolist()] for name in lists.lists}

    assert 60 < len(judged) < 120
    assert asked(others) == asked(history)
