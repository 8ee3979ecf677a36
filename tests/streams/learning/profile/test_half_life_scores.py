"""Evidence: strictly earlier events, ranks as a plain loop gives them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from streams.learning.history import History
from streams.learning.profile.again_evidence import AgainQuestions
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.new_evidence import NewQuestions
from streams.learning.profile.questions import Parts, Questions, gain, questions_of
from streams.learning.profile.quick_vectors import quick_vectors
from streams.learning.split import split_of
from support.data.profiled import groceries, history_of, sessions
from transfer.config import InterestConfig

WEIGHTS = InterestConfig().action_weights
LIVES = np.array([60.0, 1e6])


def asked(history: History, most: int = 60) -> Questions:
    """Some questions."""
    split, rows = split_of(history, "time", force=True), np.arange(len(history))
    parts = Parts(np.isin(rows, split.train), np.isin(rows, split.validation))
    return questions_of(history, baskets_of(history), parts, most, np.random.default_rng(1))


def test_questions_see_only_what_is_strictly_earlier(tmp_path: Path) -> None:
    """Earlier events are of the same user before the basket; baskets are of the validation part."""
    history = history_of(tmp_path, groceries(users=12))
    questions = asked(history)
    split = split_of(history, "time", force=True)
    assert np.isin(questions.time, history.time[split.validation]).all()
    assert np.flatnonzero(questions.fit).tolist() == np.sort(split.train).tolist()
    for q in range(len(questions)):
        rows = questions.earlier[questions.earlier_offsets[q] : questions.earlier_offsets[q + 1]]
        assert len(np.unique(history.user[rows])) == 1 and (history.time[rows] < questions.time[q]).all()
        user = history.user[rows[0]]
        mine = slice(history.offsets[user], history.offsets[user + 1])
        assert len(rows) == (history.time[mine] < questions.time[q]).sum()
        targets = questions.target_item[questions.target_question == q]
        there = history.item[mine][history.time[mine] == questions.time[q]]
        assert set(targets.tolist()) == set(there.tolist())
        known = questions.known[questions.target_question == q]
        assert known.tolist() == np.isin(targets, history.item[rows]).tolist()


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_again_equals_a_plain_loop(tmp_path: Path, share: float) -> None:
    """NDCG of decayed own items, mixed over half-lives, as computed item by item."""
    history = history_of(tmp_path, sessions(users=30))
    questions = asked(history)
    mix = np.array([share, 1 - share])
    means = []
    for q in range(len(questions)):
        rows = questions.earlier[questions.earlier_offsets[q] : questions.earlier_offsets[q + 1]]
        latest = history.time[rows].max()
        score: dict[int, float] = defaultdict(float)
        for life, part in zip(LIVES, mix, strict=True):
            mass: dict[int, float] = defaultdict(float)
            for e in rows:
                mass[int(history.item[e])] += WEIGHTS[history.action[e]] * 2 ** (
                    -(latest - history.time[e]) / life
                )
            for item, one in mass.items():
                score[item] += part * one / sum(mass.values())
        ranked = sorted(score, key=lambda item: (-np.float32(score[item]), item))
        gains = [
            float(gain(np.array([ranked.index(item)]))[0])
            for item in questions.target_item[questions.target_question == q].tolist()
            if item in score
        ]
        if gains:
            means.append(float(np.mean(gains)))
    found = AgainQuestions(history, questions, WEIGHTS).at(LIVES).gains(mix)
    assert found.mean() == pytest.approx(np.mean(means), abs=0.01) and len(found) == len(means)


def test_new_equals_a_plain_loop(tmp_path: Path) -> None:
    """NDCG of the unit sum's cosines, the user's own items out of the ranking, as computed question by question."""
    history = history_of(tmp_path, groceries(users=20, trips=20))
    questions = asked(history, 30)
    rng = np.random.default_rng(0)
    vectors = quick_vectors(history, questions.fit, rng)
    evidence = NewQuestions(history, questions, vectors, WEIGHTS, rng)
    found = evidence.at(LIVES).gains(np.array([0.0, 1.0]))
    gains = defaultdict(list)
    for q, target in zip(evidence.target_question.tolist(), evidence.target.tolist(), strict=True):
        rows = questions.earlier[questions.earlier_offsets[q] : questions.earlier_offsets[q + 1]]
        codes = vectors.place[history.item[rows]]
        left = 2.0 ** (-(history.time[rows].max() - history.time[rows]) / LIVES[1])
        left = left * WEIGHTS[history.action[rows]]
        score = vectors.rows @ (left[codes >= 0] @ vectors.rows[codes[codes >= 0]])
        score[codes[codes >= 0]] = -np.inf
        gains[q].append(float(gain(np.array([(score > score[target]).sum()]))[0]) if target >= 0 else 0.0)
    assert found.mean() == pytest.approx(np.mean([np.mean(one) for one in gains.values()]), abs=0.01)
