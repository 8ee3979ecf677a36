"""The pause before a request: counted between visits, and as far as training has seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fakes.learned import small_log
from transfer.arrays import F64
from transfer.config import InterestConfig
from transfer.learned.mixture_features import own_item_features, own_width, user_features, user_width
from transfer.learned.pauses import FEWEST, CountedPauses, counted_pauses
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates
from transfer.training.states_at import packed_states_at
from transfer.training.walk import baskets

DAY = 86400.0
CONFIG = InterestConfig(dim=8, half_lives_s=(600.0, DAY, 30 * DAY))


@given(
    latest=st.floats(-1e9, 2e9) | st.just(-np.inf),
    later=st.floats(-1e9, 1e12),
    gap=st.floats(0, DAY),
    longest=st.floats(0, 100 * DAY),
)
def test_a_pause_counts_between_visits_and_up_to_the_longest_that_was_seen(
    latest: float, later: float, gap: float, longest: float
) -> None:
    """A request within a visit, before the latest act (clocks differ) or of a user without acts has no pause."""
    time = later if latest == -np.inf else latest + later
    (pause,) = CountedPauses(gap, longest).of(np.array([latest]), np.array([time])).tolist()
    if latest == -np.inf or time - latest <= gap:
        assert pause == 0
    else:
        assert pause == pytest.approx(min(time - latest, longest))


def test_what_counts_is_found_by_the_pauses_between_visits() -> None:
    """The longest hundredth counts as the rest's longest; of next to no pauses nothing is learned."""
    within, between = np.full(5000, 60.0), DAY * np.arange(1.0, 1001.0)
    found = counted_pauses(np.append(within, between), 1800.0)
    assert found.visit_gap_s == 1800 and found.longest_s == pytest.approx(990 * DAY, rel=1e-3)
    assert counted_pauses(np.append(within, between[: FEWEST - 1]), 1800.0).longest_s == 0
    assert counted_pauses(np.zeros(0), 1800.0).longest_s == 0


def some_states() -> InterestStates:
    log = small_log()
    at = baskets(log)[5::11]
    at = at[at > log.offsets[log.user[at]]]
    packed = packed_states_at(log, CONFIG, at)
    return unpack_states([packed[row] for row in at.tolist()], CONFIG)


def features(states: InterestStates, pause: F64 | None) -> tuple[np.ndarray, np.ndarray]:
    return own_item_features(states, CONFIG, pause).features, user_features(states, CONFIG, pause)


def test_without_a_pause_features_are_those_of_the_state() -> None:
    """What counts no pauses (a model of before) and what finds none read the same of a state."""
    states = some_states()
    before, now = features(states, None), features(states, np.zeros(states.users))
    for old, new, widths in (
        (before[0], now[0], [own_width(3, 3, paused) for paused in (False, True)]),
        (before[1], now[1], [user_width(3, paused) for paused in (False, True)]),
    ):
        assert [old.shape[1], new.shape[1]] == widths
        assert (new[:, : old.shape[1]] == old).all() and (new[:, old.shape[1] :] == 0).all()


def test_own_items_are_as_old_and_as_heavy_as_they_are_at_the_request() -> None:
    """A pause says of an item's mass and age what an event at that time would, which decays them as much."""
    states, pause = some_states(), 3 * DAY
    own, users = features(states, np.full(states.users, pause))
    mass = states.own_masses() * np.exp2(-pause / CONFIG.half_lives)
    np.testing.assert_allclose(own[:, :3], np.log1p(mass), rtol=1e-5, atol=1e-9)
    owner = np.repeat(np.arange(states.users), np.diff(states.own_offsets))
    age = states.t_ref[owner] + pause - states.own_last
    np.testing.assert_allclose(own[:, 6:9], np.log1p(age[:, None] / CONFIG.half_lives) / 4, rtol=1e-5)
    before, _ = features(states, None)
    changed = np.flatnonzero((own[:, : before.shape[1]] != before).any(axis=0))
    assert set(changed.tolist()) <= {0, 1, 2, 6, 7, 8}
    assert (users[:, -8:] > 0).all()
