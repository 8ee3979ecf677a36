"""Readout: what answers say of all other items, from how those think of these who answered alike.

    s(j) = P(j) + sum over answers a of  n_a / (n_a + c) (P(j | a) - P(j))

P(j) is the share of users who like j; a is "likes item i" or "knows item i and does not like it", n_a the number of users who
say so, c the shrinkage. An item that the user does not know says nothing. Counts of few answers are added up, since few users
have given the same several ones; with a single answer this is the estimate of item-based neighbours with significance weighting
(Herlocker et al., SIGIR 1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from streams.learning.probes.interviews import Interviews
from streams.learning.probes.opinions import Opinions
from transfer.arrays import F32, I64, Bool
from transfer.codes import NONE


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """Of Q items that can be asked about, among M items."""

    asked: I64
    """(Q,) columns of the M items"""
    prior: F32
    """(M,) share of users who like the item"""
    if_liked: F32
    """(Q, M) what is added to the prior by "likes it" """
    if_not: F32
    """(Q, M) and by "knows it, and does not like it" """

    def start(self, interviews: Interviews) -> F32:
        """(I, M) scores before any answer."""
        return np.tile(self.prior, (len(interviews), 1))

    def answered(self, interviews: Interviews, question: int) -> tuple[I64, F32]:
        """Which interviews (A,) have an answer to a question (a row of `asked`), and what it adds to their scores, (A, M)."""
        column = self.asked[question]
        rows = np.flatnonzero(interviews.known[:, column])
        liked = interviews.liked[rows, column][:, None]
        return rows, np.where(liked, self.if_liked[question], self.if_not[question])

    def scores(self, interviews: Interviews, questions: I64) -> F32:
        """(I, M) after the answers to some questions (rows of `asked`)."""
        scores = self.start(interviews)
        for question in questions.tolist():
            rows, added = self.answered(interviews, question)
            scores[rows] += added
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class AnswerCounts:
    """How many of U users think what of M items, and of those who think so of Q of them, how many like each item."""

    users: int
    asked: I64
    likes: I64
    """(M,)"""
    known: I64
    """(M,)"""
    like_both: F32
    """(Q, M) users who like the one asked and the other"""
    like_other: F32
    """(Q, M) users who know the one asked, don't like it, and like the other"""

    def readout(self, shrinkage: float) -> Readout:
        """With c = `shrinkage` users."""
        prior = (self.likes / max(self.users, 1)).astype(np.float32)
        liking = self.likes[self.asked]
        return Readout(
            self.asked,
            prior,
            _shift(self.like_both, liking, prior, shrinkage, self.asked),
            _shift(self.like_other, self.known[self.asked] - liking, prior, shrinkage, self.asked),
        )


def _shift(together: F32, count: I64, prior: F32, shrinkage: float, asked: I64) -> F32:
    shift: F32 = ((together - count[:, None] * prior) / (count[:, None] + shrinkage)).astype(np.float32)
    shift[np.arange(len(asked)), asked] = 0.0  # the answer itself is not what is foreseen
    return shift


def answer_counts(opinions: Opinions, liked: Bool, users: int, items: I64, asked: I64) -> AnswerCounts:
    """Count the opinions of `users` users on `items` (M,). asked: columns of these."""
    place = opinions.columns(items)
    inside = place != NONE
    _, row = np.unique(opinions.user, return_inverse=True)
    shape = (int(row.max(initial=-1)) + 1, len(items))

    def matrix(chosen: Bool) -> csr_array:
        ones = np.ones(int(chosen.sum()), np.float32)
        return csr_array((ones, (row[chosen], place[chosen])), shape=shape)

    likes, others = matrix(inside & liked), matrix(inside & ~liked)
    liking = likes.sum(axis=0).astype(np.int64)
    return AnswerCounts(
        users,
        asked,
        liking,
        liking + others.sum(axis=0).astype(np.int64),
        (likes.tocsc()[:, asked].T @ likes).toarray(),
        (others.tocsc()[:, asked].T @ likes).toarray(),
    )
