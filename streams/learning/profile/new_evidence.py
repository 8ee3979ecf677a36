"""How well decayed sums of item vectors predict the items that are new to the user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from streams.learning.history import History
from streams.learning.profile.questions import Questions, gain, mean_by_question
from streams.learning.profile.quick_vectors import QuickVectors
from transfer.arrays import F32, F64, I64, Bool
from transfer.codes import NONE
from transfer.rows import owners
from transfer.state.decay import decay

QUESTIONS_AT_A_TIME = 128
TARGETS_A_QUESTION = 8


class NewQuestions:
    """The earlier events of each question, as vectors, and the targets that are new to the user.

    Items that the user had are out of the ranking; a target without a vector gains nothing.
    """

    def __init__(
        self,
        history: History,
        questions: Questions,
        vectors: QuickVectors,
        weights: F64,
        rng: np.random.Generator,
    ) -> None:
        self.vectors = vectors.rows
        self.count = len(questions)
        self.target_question, self.target = _targets(questions, vectors, rng)
        item = history.item[questions.earlier]
        code = np.where(item >= 0, vectors.place[item], NONE)
        known = np.flatnonzero(code >= 0)
        self._question, self._code = owners(questions.earlier_offsets)[known], code[known]
        # From the latest event that has a vector: else a half-life of seconds would leave nothing at all of the sum.
        latest = np.full(len(questions), np.inf)
        np.minimum.at(latest, self._question, questions.age_s[known])
        self._age_s = questions.age_s[known] - latest[self._question]
        self._weight = weights[history.action[questions.earlier[known]]]
        self._shape = (len(questions), len(vectors.rows))
        self.seen = csr_array(
            (np.ones(len(known), np.bool_), (self._question, self._code)), shape=self._shape
        )

    def at(self, half_lives_s: F64) -> NewEvidence:
        """The evidence for some half-lives."""
        sums = np.empty((self.count, len(half_lives_s), self.vectors.shape[1]), np.float32)
        for k in range(len(half_lives_s)):
            left = (decay(self._age_s, half_lives_s[k : k + 1])[:, 0] * self._weight).astype(np.float32)
            total = csr_array((left, (self._question, self._code)), shape=self._shape) @ self.vectors
            length = np.linalg.norm(total, axis=1, keepdims=True)
            sums[:, k] = np.divide(total, length, out=np.zeros_like(total), where=length > 0)
        return NewEvidence(self, sums)


@dataclass(frozen=True, slots=True, eq=False)
class NewEvidence:
    """Unit sums of the earlier events' vectors, (Q, H, D) float32, for H half-lives; scores are cosines."""

    questions: NewQuestions
    sums: F32

    def gains(self, mix: F64) -> F64:
        """Mean NDCG@10 over the targets of each question, the query being the unit sums weighted by `mix` (H,)."""
        questions = self.questions
        query = np.einsum("qhd,h->qd", self.sums, mix.astype(np.float32))
        gains = np.zeros(len(questions.target))
        for low in range(0, questions.count, QUESTIONS_AT_A_TIME):
            high = min(low + QUESTIONS_AT_A_TIME, questions.count)
            begin, end = np.searchsorted(questions.target_question, [low, high])
            score = query[low:high] @ questions.vectors.T
            score[questions.seen[low:high].nonzero()] = -np.inf
            row, target = questions.target_question[begin:end] - low, questions.target[begin:end]
            own = score[row, np.maximum(target, 0)]
            pairs = list(zip(row.tolist(), own.tolist(), strict=True))
            ahead = np.array([np.count_nonzero(score[r] > s) for r, s in pairs], np.int64)
            tied = np.array([np.count_nonzero(score[r] == s) - 1 for r, s in pairs], np.int64)
            gains[begin:end] = np.where(target >= 0, gain(ahead, np.maximum(tied, 0)), 0.0)
        return mean_by_question(gains, questions.target_question, questions.count)


def _targets(questions: Questions, vectors: QuickVectors, rng: np.random.Generator) -> tuple[I64, I64]:
    """Question and vector row of at most `TARGETS_A_QUESTION` targets that are new to the user."""
    new = np.flatnonzero(~questions.known)
    drawn = new[rng.permutation(len(new))]
    drawn = drawn[np.argsort(questions.target_question[drawn], kind="stable")]
    question = questions.target_question[drawn]
    place = np.arange(len(drawn)) - np.searchsorted(question, question)
    few: Bool = place < TARGETS_A_QUESTION
    return question[few], vectors.place[questions.target_item[drawn[few]]]
