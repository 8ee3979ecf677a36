"""Rooms of a state are chosen by what events lose, and say it."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.caps import OWN_ITEMS
from streams.learning.profile.half_life_scores import HalfLifeScores
from streams.learning.profile.known_part import KnownPart, known_part
from streams.learning.profile.own_room import KEPT, OwnRoom
from streams.learning.profile.questions import questions_of
from streams.learning.profile.rooms import own_room
from streams.learning.split import SplitPlan
from streams.learning.training.training_data import training_data
from support.data.profiled import DAY_S, Row, history_of, row
from transfer.config import InterestConfig
from transfer.state.packing import unpack_states
from transfer.training.states_at import packed_states_at

LIVES = (2 * DAY_S, 20 * DAY_S, 100 * DAY_S)
INTEREST = InterestConfig(dim=16, half_lives_s=LIVES)


def most_by_few() -> list[Row]:
    """Nine users of ten come back to five items; the tenth makes most events, on three hundred items."""
    rng = np.random.default_rng(0)
    log = []
    for user in range(50):
        items, events = (300, 900) if user % 10 == 0 else (5, 20)
        own = rng.permutation(600)[:items]
        times = np.sort(rng.integers(100 * 86400, size=events)).tolist()
        log += [row(user, int(own[int(items * rng.random() ** 1.5)]), float(at)) for at in times]
    return log


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> KnownPart:
    """What lies before the test part."""
    history = history_of(tmp_path_factory.mktemp("log"), most_by_few())
    return known_part(history, np.zeros(len(history), np.bool_), SplitPlan(force=True))


def test_room_for_own_items_goes_by_what_comes_again(known: KnownPart) -> None:
    """The least room on the ladder that keeps 97 % of it; half of it would not, though nine users of ten would fit."""
    evidence = HalfLifeScores(
        known.history, known.baskets, known.parts, INTEREST.action_weights, np.random.default_rng(0)
    )
    choice, kept = own_room(known, evidence, INTEREST)
    assert evidence.room is not None and kept is not None and kept >= KEPT
    below = OWN_ITEMS[OWN_ITEMS.index(choice.value) - 1]
    assert evidence.room.kept(LIVES, below) < KEPT
    assert choice.value > OWN_ITEMS[0]  # nine users of ten have five items
    assert f"{100 * kept:.1f} % of what comes again is kept" in choice.reason and "% is lost" in choice.reason
    assert "kB of a user's state" in choice.reason


@pytest.mark.parametrize("cap", [64, 128])
def test_what_a_room_keeps_is_what_states_keep(known: KnownPart, cap: int) -> None:
    """The share of targets that are own items of the very states that training and serving have at those moments."""
    assert known.parts is not None
    history = known.history
    questions = questions_of(history, baskets_of(history), known.parts, 400, np.random.default_rng(0))
    told = OwnRoom(history, questions, INTEREST.action_weights).kept(LIVES, cap)
    data = training_data(history, np.arange(len(history)), dim=16)
    asked = data.to_log[questions.earlier[questions.earlier_offsets[1:] - 1] + 1]
    interest = INTEREST.model_copy(update={"own_items": cap})
    packed = packed_states_at(data.log, interest, asked)
    held = 0
    for question, item in zip(
        questions.target_question[questions.known].tolist(),
        questions.target_item[questions.known].tolist(),
        strict=True,
    ):
        states = unpack_states([packed[int(asked[question])]], interest)
        held += int(history.item_keys[item] in states.own_item)
    assert 0.3 < told < 1.0
    assert told == pytest.approx(held / int(questions.known.sum()), abs=0.01)
