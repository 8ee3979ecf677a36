"""Both kinds of evidence on one log, for any half-lives: own items that recur, and new items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.learning.history import History
from streams.learning.profile.again_evidence import AgainEvidence, AgainQuestions
from streams.learning.profile.baskets import Baskets
from streams.learning.profile.half_lives import ERRORS, Curve
from streams.learning.profile.new_evidence import NewEvidence, NewQuestions
from streams.learning.profile.own_room import OwnRoom
from streams.learning.profile.questions import Parts, Questions, questions_of
from streams.learning.profile.quick_vectors import QuickVectors, quick_vectors
from transfer.arrays import F64

AGAIN_QUESTIONS = 2000
NEW_QUESTIONS = 1000
ENOUGH = 100
"""Fewer questions than this are no evidence."""

TargetKind = Literal["again", "new"]
"""Items that the user had before, and items that are new to the user."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """A set of half-lives as the untrained model mixes it: (1 - share) longest + share * mean of the shorter ones."""

    half_lives_s: tuple[float, ...]
    share: float
    """what the shorter half-lives weigh"""
    ndcg: float
    """NDCG@10, mean over the questions"""


class HalfLifeScores:
    """Questions, drawn once, that any half-lives can be asked; none where there are no parts.

    `vectors` are made at once where there are enough questions about new items; that takes most of the time.
    """

    def __init__(
        self, history: History, baskets: Baskets, parts: Parts | None, weights: F64, rng: np.random.Generator
    ) -> None:
        self.asked: dict[TargetKind, int] = {"again": 0, "new": 0}
        """how many questions have a target of that kind"""
        self.questions: Questions | None = None
        """those about own items; others may ask them too"""
        self.vectors: QuickVectors | None = None
        self.room: OwnRoom | None = None
        """how many own items keep what comes again; None: there are no questions"""
        self._ask: dict[TargetKind, Callable[[F64], AgainEvidence | NewEvidence]] = {}
        if parts is None:
            return
        again = questions_of(history, baskets, parts, AGAIN_QUESTIONS, rng)
        new = questions_of(history, baskets, parts, NEW_QUESTIONS, rng)
        self.questions = again
        self.room = OwnRoom(history, again, weights)
        self.asked["again"] = len(np.unique(again.target_question[again.known]))
        self.asked["new"] = len(np.unique(new.target_question[~new.known]))
        if self.asked["again"] >= ENOUGH:
            self._ask["again"] = AgainQuestions(history, again, weights).at
        if self.asked["new"] >= ENOUGH:
            self.vectors = quick_vectors(history, new.fit, rng)
            self._ask["new"] = NewQuestions(history, new, self.vectors, weights, rng).at

    @property
    def kinds(self) -> tuple[TargetKind, ...]:
        """Those of which there are enough questions to go by."""
        return tuple(self._ask)

    def curve(self, kind: TargetKind, half_lives_s: F64) -> Curve:
        """Each half-life alone."""
        found = self._ask[kind](half_lives_s)
        return Curve(half_lives_s, np.stack([found.gains(mix) for mix in np.eye(len(half_lives_s))]))

    def mixed(
        self, kind: TargetKind, half_lives_s: tuple[float, ...], usual: float, shares: Sequence[float] = ()
    ) -> Mixed:
        """The half-lives together, at the best of `shares` if that is clearly better than the `usual` one."""
        found = self._ask[kind](np.array(half_lives_s))

        def gains(share: float) -> F64:
            return found.gains(mix_of(len(half_lives_s), share))

        kept, kept_gains = usual, gains(usual)
        tried = {share: gains(share) for share in shares if share != usual}
        for share, one in sorted(tried.items(), key=lambda pair: -float(pair[1].mean()))[:1]:
            more = one - kept_gains
            if more.mean() > ERRORS * more.std() / np.sqrt(len(more)):
                kept, kept_gains = share, one
        return Mixed(half_lives_s, kept, float(kept_gains.mean()))


def mix_of(half_lives: int, share: float) -> F64:
    """Weights of the half-lives, (H,): `transfer/analytic/again.py` and `transfer/analytic/model.py` mix them so.

    >>> mix_of(3, 0.5).tolist()
    [0.25, 0.25, 0.5]
    """
    return np.append(np.full(half_lives - 1, share / (half_lives - 1)), 1.0 - share)
