"""What events tell of what users think of items."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.probes.opinions import LikeRule, Opinions, like_rule, opinions_of
from support.data.event_columns import event
from support.data.tastes import taste_history
from transfer.config import InterestConfig

INTEREST = InterestConfig(actions={"hide": -1.0, "shown": 0.0})
WEIGHTS = INTEREST.action_weights


def told(tmp_path, actions):
    """Of one user's events of one item each, or of several on one item."""
    rows = [
        {**event("u", item, at=60.0 * n), "action": action}
        for n, (item, action) in enumerate([("i", "browse"), *actions])
    ]
    history = taste_history(tmp_path, rows, INTEREST)
    found = opinions_of(history, np.arange(len(history)), WEIGHTS)
    return dict(
        zip([history.items[item] for item in found.item.tolist()], found.weight.tolist(), strict=True)
    )


def test_the_heaviest_act_counts_and_what_speaks_against_an_item_beats_it(tmp_path):
    """In whatever order; what was merely shown is no opinion."""
    assert told(
        tmp_path,
        [("a", "purchase"), ("a", "browse"), ("b", "hide"), ("b", "purchase"), ("c", "shown"), ("d", "hide")],
    ) == {
        "i": 0.5,
        "a": 3.0,
        "b": 0.0,
        "d": 0.0,
    }


def test_hides_of_the_test_part_are_not_known_before_it(tmp_path):
    """Events against items are cut as acts are."""
    rows = [
        {**event("u", "a", at=0.0), "action": "purchase"},
        {**event("u", "a", at=60.0), "action": "hide"},
    ]
    history = taste_history(tmp_path, rows, INTEREST)
    begin = float(history.time[0]) + 30.0
    assert opinions_of(history, np.arange(1), WEIGHTS, begin).weight.tolist() == [3.0]
    assert opinions_of(history, np.arange(1), WEIGHTS).weight.tolist() == [0.0]


@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        ([3.0, 3.0, 3.0], LikeRule(3.0, True)),
        ([0.5, 1.0, 3.0, 3.0], LikeRule(3.0, False)),
        ([0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0], LikeRule(1.0, False)),
        ([0.0, 1.0, 1.0], LikeRule(1.0, False)),
    ],
    ids=["purchases alone", "ratings", "purchases are rare", "clicks and hides"],
)
def test_a_like_is_the_heaviest_thing_that_is_said_often(weights, rule):
    """A quarter of all opinions at least; where all acts weigh alike each is one."""
    pairs = Opinions(np.zeros(len(weights), np.int64), np.arange(len(weights)), np.array(weights))
    assert like_rule(pairs) == rule
    assert rule.liked(pairs).tolist() == [weight >= rule.weight for weight in weights]


def test_likes_are_told_by_the_names_of_their_actions():
    """Those whose weight reaches it."""
    assert LikeRule(1.0, False).actions(INTEREST.action_names, WEIGHTS) == ["click", "purchase"]
