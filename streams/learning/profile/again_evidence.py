"""How well decayed masses of the user's own items predict which of them recurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.profile.questions import Questions, gain, mean_by_question
from transfer.arrays import F32, F64, I64
from transfer.rows import group_starts, owners, segment_shares
from transfer.state.decay import decay

EVENTS_AT_A_TIME = 200_000


class AgainQuestions:
    """The own items of each question that has a target which the user had before.

    About other questions own items say nothing, at any half-life.
    """

    def __init__(self, history: History, questions: Questions, weights: F64) -> None:
        items = max(len(history.items), 1)
        asked = questions.target_question[questions.known]
        targets = asked * items + questions.target_item[questions.known]
        useful = np.zeros(len(questions), np.bool_)
        useful[asked] = True
        question = owners(questions.earlier_offsets)
        item = history.item[questions.earlier]
        rows = np.flatnonzero(useful[question] & (item >= 0))
        keys = question[rows] * items + item[rows]
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        starts = group_starts([keys])
        own = keys[starts]
        self.count = len(questions)
        self.own = len(own)
        self.question: I64 = own // items
        self.offsets: I64 = np.searchsorted(self.question, np.arange(len(questions) + 1))
        self.target: I64 = np.searchsorted(own, targets)
        self._place = np.repeat(np.arange(len(own)), np.diff(starts, append=len(rows)))
        self._age_s: F64 = questions.age_s[rows]
        self._weight: F64 = weights[history.action[questions.earlier[rows]]]

    def at(self, half_lives_s: F64) -> AgainEvidence:
        """The evidence for some half-lives."""
        mass = np.zeros((self.own, len(half_lives_s)))
        for low in range(0, len(self._place), EVENTS_AT_A_TIME):
            part = slice(low, low + EVENTS_AT_A_TIME)
            term = decay(self._age_s[part], half_lives_s) * self._weight[part, None]
            place = self._place[part]
            begin = group_starts([place])
            mass[place[begin]] += np.add.reduceat(term, begin, axis=0)
        return AgainEvidence(self, segment_shares(mass, self.offsets).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class AgainEvidence:
    """Share of each own item in the mass of its question, (O, H) float32, for H half-lives."""

    questions: AgainQuestions
    shares: F32

    def gains(self, mix: F64) -> F64:
        """Mean NDCG@10 over the targets of each question, scores being the shares weighted by `mix` (H,)."""
        questions = self.questions
        ahead, tied = self._ranks(mix)
        found = gain(ahead[questions.target], tied[questions.target])
        return mean_by_question(found, questions.question[questions.target], questions.count)

    def _ranks(self, mix: F64) -> tuple[I64, I64]:
        """Of each own item how many of the question score more, and how many others as much."""
        score = self.shares @ mix.astype(np.float32)
        question = self.questions.question
        order = np.lexsort((-score, question))
        starts = group_starts([question[order], score[order]])
        sizes = np.diff(np.append(starts, len(order)))
        ahead, tied = np.empty((2, len(score)), np.int64)
        ahead[order] = np.repeat(starts, sizes) - self.questions.offsets[:-1][question[order]]
        tied[order] = np.repeat(sizes - 1, sizes)
        return ahead, tied
