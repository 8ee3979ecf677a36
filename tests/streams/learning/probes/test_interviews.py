"""How lists of questions are judged."""

from __future__ import annotations

import numpy as np

from streams.learning.probes.interviews import interviews_of
from streams.learning.probes.judged import judged_lists
from streams.learning.probes.opinions import Opinions
from streams.learning.probes.people import is_answer, people_of
from streams.learning.probes.readout import answer_counts
from support.data.tastes import taste_history, taste_rows


def interviews(answers, others, items=6):
    """One user who likes all of both."""
    item = np.array([*answers, *others])
    pairs = Opinions(np.zeros(len(item), np.int64), item, np.ones(len(item)))
    order = np.argsort(item)
    pairs = pairs.chosen(order)
    answer = np.isin(pairs.item, answers)
    return interviews_of(pairs, np.ones(len(item), bool), answer, np.arange(items))


def test_the_whole_answer_half_is_out_of_the_ranking_asked_or_not():
    """Items 0 and 1 are answers: best scores of theirs push nothing down, and hit nothing."""
    one = interviews([0, 1], [4])
    assert one.ndcg(np.array([[9.0, 8.0, 0.0, 0.0, 1.0, 0.0]], np.float32)).tolist() == [1.0]
    assert one.ndcg(np.array([[9.0, 8.0, 2.0, 0.0, 1.0, 0.0]], np.float32)).round(4).tolist() == [
        round(1 / np.log2(3), 4)
    ]


def test_a_target_that_is_not_ranked_is_a_miss():
    """The ideal list has it all the same."""
    scores = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]], np.float32)
    inside, beyond = interviews([0], [4]), interviews([0], [4, 99])
    assert inside.ndcg(scores).tolist() == [1.0]
    assert beyond.ndcg(scores).round(4).tolist() == [round(1 / (1 + 1 / np.log2(3)), 4)]


def test_who_has_no_answer_or_no_target_is_not_asked():
    """There is nothing to tell of them."""
    assert len(interviews([0], [])) == 0
    assert len(interviews([], [3])) == 0
    assert len(interviews([0], [99])) == 0


def test_halves_hang_on_ids_alone(tmp_path):
    """Another order of the log, or more users in it, gives every user the same part and the same halves."""
    (tmp_path / "more").mkdir()
    rows = taste_rows(40)
    small = taste_history(tmp_path, rows)
    large = taste_history(tmp_path / "more", [*reversed(rows), *taste_rows(60, seed=1)])

    def halves(history):
        people = people_of(history, 3)
        user = history.user.astype(np.int64)
        pairs = Opinions(user, history.item.astype(np.int64), np.ones(len(user)))
        answer = is_answer(pairs, people.hashes, history.item_keys, 0)
        judged = {history.users[code] for code in people.judged.tolist()}
        named = zip(user.tolist(), pairs.item.tolist(), answer.tolist(), strict=True)
        return judged, {(history.users[u], history.items[i]): half for u, i, half in named}

    (judged, mine), (others, theirs) = halves(small), halves(large)
    assert judged == others & set(small.users)
    assert mine == {pair: theirs[pair] for pair in mine}
    assert 0.45 < np.mean(list(mine.values())) < 0.55
    assert 0.1 < len(others) / len(large.users) < 0.4


def test_an_answer_shifts_what_those_who_answered_alike_like():
    """P(j | answer) - P(j), shrunk by n / (n + c); nothing for the item itself."""
    # Item 0 is liked by users 0 and 1, known by 2; item 1 is liked by 0, 1 and 3; item 2 by 2.
    pairs = Opinions(
        np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 0, 1, 0, 2, 1]), np.array([3, 3, 3, 3, 1, 3, 3.0])
    )
    counts = answer_counts(pairs, pairs.weight >= 3, 4, np.arange(3), np.array([0]))
    readout = counts.readout(2.0)
    np.testing.assert_allclose(readout.prior, [0.5, 0.75, 0.25])
    np.testing.assert_allclose(readout.if_liked, [[0.0, 2 / 4 * (1 - 0.75), 2 / 4 * (0 - 0.25)]])
    np.testing.assert_allclose(readout.if_not, [[0.0, 1 / 3 * (0 - 0.75), 1 / 3 * (1 - 0.25)]])


def test_only_users_who_judge_are_asked(tmp_path):
    """Whatever opinions are handed in."""
    from streams.learning.probes.fit import ProbePlan, fit_lists, probe_material
    from streams.learning.probes.opinions import opinions_of
    from streams.learning.split import split_of
    from transfer.config import InterestConfig

    weights = InterestConfig().action_weights
    history = taste_history(tmp_path, taste_rows(240))
    material = probe_material(history, split_of(history, force=True), weights, 0)
    lists = fit_lists(material, ProbePlan(count=5, candidates=30), np.random.default_rng(0))
    found = judged_lists(material, lists, opinions_of(history, np.arange(len(history)), weights))
    assert set(found.user.tolist()) <= set(material.people.judged.tolist())
    assert not set(material.opinions.user.tolist()) & set(material.people.judged.tolist())
