"""Scores of the user's own items and the share of repeats."""

import numpy as np
import pytest
from hypothesis import given, settings

from support.checks.reference_state import Event
from support.data.interest_events import SMALL, Life, applied, event_lists
from transfer.analytic.again import again_scores, repeat_share
from transfer.config import TransferConfig

DAY_S = 86400.0


def scores(life: Life, config: TransferConfig | None = None) -> dict[int, float]:
    """Score of each of the user's items."""
    return dict(zip(life.states.own_item.tolist(), again_scores(life.states, config).tolist(), strict=True))


@settings(deadline=None, max_examples=40)
@given(event_lists())
def test_scores_are_a_distribution_over_the_users_items(events: list[Event]) -> None:
    """Finite, not negative, and summing to 1 for every user with items."""
    states = applied([events], SMALL)
    found = again_scores(states)
    assert found.dtype == np.float32 and np.isfinite(found).all() and (found >= 0).all()
    sums = np.add.reduceat(np.append(found, 0.0), states.own_offsets[:-1])
    np.testing.assert_allclose(sums[np.diff(states.own_offsets) > 0], 1.0, atol=1e-5)


def test_the_habit_and_the_item_at_hand_both_score() -> None:
    """An item of every day for a month and one of a moment ago lead; which of them, the recency share decides."""
    life = Life()
    life.act("s", *(DAY_S * np.arange(30)), item=1)
    life.act("s", *(DAY_S * np.arange(30) + 50), *(DAY_S * np.arange(30) + 99))
    life.act("s", 31 * DAY_S, item=2)
    found = scores(life)
    assert set(sorted(found, key=found.get)[-2:]) == {1, 2}
    assert (
        scores(life, TransferConfig(again_recency=0.0))[1]
        > scores(life, TransferConfig(again_recency=0.0))[2]
    )
    assert (
        scores(life, TransferConfig(again_recency=1.0))[1]
        < scores(life, TransferConfig(again_recency=1.0))[2]
    )


def test_a_purchase_scores_above_a_browse() -> None:
    """Actions count with their weights."""
    life = Life()
    life.act("s", 0.0, action=0, item=1)
    life.act("s", 0.0, action=2, item=2)
    assert scores(life)[2] == pytest.approx(6 * scores(life)[1], rel=1e-4)


def test_items_that_outlived_every_half_life_still_have_scores() -> None:
    """A user who has only typed texts for years keeps a distribution over the items of before."""
    life = Life()
    life.act("s", 0.0, item=1)
    life.act("s", 0.0, item=2)
    life.act("s", 1000 * 365 * DAY_S, item=0)
    assert scores(life) == {1: 0.5, 2: 0.5}


def test_repeat_share_goes_from_the_prior_to_what_the_user_does() -> None:
    """No event is the prior, a hundred on one item nearly 1, a hundred on as many items nearly 0."""
    life, explorer = Life(), Life()
    assert repeat_share(life.states).tolist() == [pytest.approx(0.3)]
    life.act("s", *np.arange(100.0), item=1)
    for n in range(100):
        explorer.act("s", float(n), item=n + 1)
    assert repeat_share(life.states)[0] > 0.95
    assert repeat_share(explorer.states)[0] < 0.02
    assert repeat_share(explorer.states, TransferConfig(repeat_strength=1e6))[0] == pytest.approx(
        0.3, abs=1e-3
    )


def test_texts_are_no_repeats() -> None:
    """Events without an item leave the share at the prior."""
    life = Life()
    life.act("s", *np.arange(50.0), item=0)
    assert len(life.states.own_item) == 0
    assert repeat_share(life.states)[0] == pytest.approx(0.3)
