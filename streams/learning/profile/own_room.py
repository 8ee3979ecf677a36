"""How many own items a state needs, so that what comes again is still among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.profile.caps import OWN_ITEMS
from streams.learning.profile.questions import Questions
from transfer.arrays import F64, I64
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.rows import held, owners
from transfer.state.own import OwnEvents, own_of_events, trim_in_order

KEPT = 0.97
"""Share of the items that come again which the proposed room still holds."""


@dataclass(frozen=True, slots=True)
class RoomKept:
    """A room for own items, and what it keeps."""

    cap: int
    kept: float
    """share of the items that come again which are still among the own items when they do"""
    usual: int
    """the room of the settings at hand"""
    usual_kept: float
    """what that one keeps"""


class OwnRoom:
    """The questions about items that come again, asked of lists that are trimmed as states are (`transfer/state/own.py`)."""

    def __init__(self, history: History, questions: Questions, weights: F64) -> None:
        known = questions.known
        self._question = questions.target_question[known]
        self._target = questions.target_item[known].astype(np.uint64) + np.uint64(1)  # a key of 0 is no item
        earlier = questions.earlier[history.item[questions.earlier] != NONE]
        action, factor = history.action[earlier], history.weight
        self._events = OwnEvents(
            user=owners(questions.earlier_offsets)[history.item[questions.earlier] != NONE],
            item=history.item[earlier].astype(np.uint64) + np.uint64(1),
            time=history.time[earlier],
            action=action,
            scenario=history.scenario[earlier],
            weight=weights[action] * (1.0 if factor is None else factor[earlier]),
        )
        pairs = np.unique(self._events.user * (len(history.items) + 1) + self._events.item.astype(np.int64))
        self.own: I64 = np.bincount(pairs // (len(history.items) + 1), minlength=len(questions))
        """(Q,) distinct own items at each question"""

    def kept(self, half_lives_s: tuple[float, ...], cap: int) -> float:
        """Share of the targets that are in lists with room for `cap`; 1 without targets."""
        config = InterestConfig(half_lives_s=half_lives_s, own_items=cap)
        asked = np.zeros(len(self.own), np.bool_)
        asked[self._question] = True
        crowded = np.flatnonzero(asked & (self.own > config.most_items))
        if not len(crowded):
            return 1.0
        number = np.full(len(self.own), NONE, np.int64)
        number[crowded] = np.arange(len(crowded))
        events = self._events.take(np.flatnonzero(number[self._events.user] >= 0))
        events = OwnEvents(
            number[events.user], events.item, events.time, events.action, events.scenario, events.weight
        )
        lives = config.half_lives
        everything = own_of_events(events, len(crowded), lives)
        nothing = own_of_events(events.take(np.zeros(0, np.int64)), len(crowded), lives)
        lists = trim_in_order(everything, nothing, events, config.most_items, cap, lives)
        judged = np.flatnonzero(number[self._question] >= 0)
        found = held(lists.offsets, [lists.item], number[self._question[judged]], [self._target[judged]])
        return 1.0 - float((~found).sum()) / len(self._target)

    def least(self, half_lives_s: tuple[float, ...], usual: int) -> RoomKept:
        """The least of `OWN_ITEMS` that keeps `KEPT`, else the largest; beside the `usual` room."""
        shares: dict[int, float] = {}

        def kept(cap: int) -> float:
            if cap not in shares:
                shares[cap] = self.kept(half_lives_s, cap)
            return shares[cap]

        low, high = 0, len(OWN_ITEMS) - 1  # more room keeps more: halve the ladder
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if kept(OWN_ITEMS[middle]) >= KEPT else (middle + 1, high)
        return RoomKept(OWN_ITEMS[low], kept(OWN_ITEMS[low]), usual, kept(usual))
