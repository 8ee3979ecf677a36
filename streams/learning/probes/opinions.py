"""What users think of items, as far as events tell: which items a user knows, and which of these are liked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from transfer.arrays import F64, I64, Bool
from transfer.codes import NONE
from transfer.rows import group_starts

ENOUGH_LIKED = 0.25
"""A like is what at least this share of all opinions reaches: rarer actions say more, but of too few items."""


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """P pairs of a user and an item that the user knows, ascending by user and item."""

    user: I64
    item: I64
    weight: F64
    """(P,) the greatest action weight of the pair's events; 0 where one of them speaks against the item"""

    def among(self, users: I64) -> Opinions:
        """Those of some users."""
        return self.chosen(np.isin(self.user, users))

    def chosen(self, chosen: Bool) -> Opinions:
        """Some of them, (P,)."""
        return Opinions(self.user[chosen], self.item[chosen], self.weight[chosen])

    def columns(self, items: I64) -> I64:
        """(P,) the place of each opinion's item among `items` (M,), -1 where it is none of them."""
        place = np.full(max(int(self.item.max(initial=0)), int(items.max(initial=0))) + 1, NONE, np.int64)
        place[items] = np.arange(len(items))
        found: I64 = place[self.item]
        return found


@dataclass(frozen=True, slots=True)
class LikeRule:
    """When an item is liked: one of the user's events with it weighs so much, and none speaks against it."""

    weight: float
    all_alike: bool
    """whether nothing is known and not liked, so that what most like is what most know"""

    def liked(self, opinions: Opinions) -> Bool:
        """(P,)"""
        liked: Bool = opinions.weight >= self.weight
        return liked

    def actions(self, names: Sequence[str], weights: F64) -> list[str]:
        """The actions that are likes."""
        return [
            name for name, weight in zip(names, weights.tolist(), strict=True) if weight >= self.weight > 0
        ]


def opinions_of(history: History, rows: I64, weights: F64, until: float = np.inf) -> Opinions:
    """Of the acts `rows`, and of the events against items before `until`.

    weights: (A,) of each action, as in `transfer.config.InterestConfig.action_weights`.
    """
    rows = rows[history.item[rows] != NONE]
    user, item, weight = history.user[rows], history.item[rows], weights[history.action[rows]]
    if history.aside is not None:
        aside = history.aside
        against = np.flatnonzero((weights[aside.action] < 0) & (aside.time < until))
        user = np.concatenate([user, aside.user[against]])
        item = np.concatenate([item, aside.item[against]])
        weight = np.concatenate([weight, np.full(len(against), np.inf)])  # it says more than any act
    order = np.lexsort((weight, item, user))
    user, item, weight = user[order], item[order], weight[order]
    starts = group_starts([user, item])
    last = np.append(starts[1:], len(user)) - 1 if len(user) else starts
    greatest = weight[last]
    return Opinions(
        user[starts].astype(np.int64),
        item[starts].astype(np.int64),
        np.where(np.isinf(greatest), 0.0, greatest),
    )


def like_rule(opinions: Opinions) -> LikeRule:
    """The heaviest weight that at least `ENOUGH_LIKED` of the opinions reach. Where all weigh alike, each is a like.

    >>> pairs = Opinions(np.zeros(4, np.int64), np.arange(4), np.array([0.5, 1.0, 3.0, 3.0]))
    >>> like_rule(pairs)
    LikeRule(weight=3.0, all_alike=False)
    """
    weights = np.unique(opinions.weight[opinions.weight > 0])[::-1]
    reached = [float((opinions.weight >= weight).mean()) for weight in weights.tolist()]
    for weight, share in zip(weights.tolist(), reached, strict=True):
        if share >= ENOUGH_LIKED:
            return LikeRule(weight, share == 1.0)
    return LikeRule(float(weights[-1]) if len(weights) else 0.0, False)
