"""After a user's first events what is popular speaks beside the model, less with every event."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sinks.points import item_key
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.serving.model_ranker import ranker_of
from streams.serving.ranker import ItemScores
from streams.serving.recommend import read_state
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_columns import columns_of, event
from transfer.popular import FEW

PLAIN = Settings()
BLENDED = Settings.load(flags={"serving": {"popular_events": 2.0}})
GAMES = [f"g{n}" for n in range(8)]


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A shop where everybody takes g0; ada has two events, ben more than a few."""
    place = str(tmp_path_factory.mktemp("first") / "s")
    rows = [ItemRow(name, f"Board game {name}", "", "games") for name in GAMES]
    events = [event(f"u{n}", GAMES[n % 2 * n % 8], at=-9000.0 + n, scenario="games") for n in range(30)]
    events += [event("ada", f"g{6 + n}", at=-500.0 + n, scenario="games") for n in range(2)]
    events += [event("ben", f"g{6 + n % 2}", at=-500.0 + n, scenario="games") for n in range(FEW)]
    with open_intake(place, PLAIN, create=True) as writing:
        writing.catalogue.fit(rows)
        writing.catalogue.upsert(rows)
        writing.ingest.apply(columns_of(events))
        assert writing.counts is not None
        writing.counts.finish()
    yield place


def scored(location: str, settings: Settings, user: str) -> tuple[ItemScores, np.ndarray]:
    """Of all items, and which are the user's own."""
    with open_for_reading(location, settings) as workspace:
        states = read_state(workspace, user)
        found = ranker_of(workspace).score(states, [None], len(GAMES), explained=True)
        return found, np.isin(found.keys, states.own_item)


def test_a_user_of_two_events_gets_some_of_what_is_popular(location: str) -> None:
    """In the place of as much of what the model says of new items; own items keep what they have, and the sum stays."""
    (model, own), (mixed, same) = scored(location, PLAIN, "ada"), scored(location, BLENDED, "ada")
    order, other = np.argsort(model.keys), np.argsort(mixed.keys)
    before, after, own = model.scores[0][order], mixed.scores[0][other], own[order]
    np.testing.assert_array_equal(own, same[other])
    np.testing.assert_array_equal(before[own], after[own])
    assert after.sum() == pytest.approx(before.sum(), rel=1e-5)
    most = int(np.where(own, 0, after).argmax())
    assert model.keys[order][most] == item_key("g0") and after[most] > 1.5 * before[most]
    best = int(np.where(same, 0, mixed.scores[0]).argmax())
    assert [reason.source for reason in mixed.reasons(0, np.array([best]))] == ["popular"]


def test_a_user_of_many_events_gets_the_model_alone(location: str) -> None:
    """From ten events on nothing changes."""
    (model, _), (mixed, _) = scored(location, PLAIN, "ben"), scored(location, BLENDED, "ben")
    np.testing.assert_array_equal(model.keys, mixed.keys)
    np.testing.assert_array_equal(model.scores, mixed.scores)
