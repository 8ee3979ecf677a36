"""Recommend and explain, from the store alone, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import UserNotFound
from streams.events.event import ItemRow
from streams.ingest.intake import Intake, open_intake
from streams.serving.explain import explain
from streams.serving.recommend import Recommender, recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_for_reading
from support.data.event_columns import columns_of, event
from support.qdrant_server import QdrantServer

FRUIT = ["Red grapes", "Green grapes", "Apples", "Pears", "Oranges", "Ripe plums", "Sweet cherries", "Melon"]
CAR = [
    "Motor oil",
    "Brake fluid",
    "Wiper blades",
    "Snow tyres",
    "Jump leads",
    "Spark plugs",
    "Car wax",
    "Fuel can",
]


@pytest.fixture(scope="module", params=["folder", "server"])
def workspace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A shop of two departments; ada comes back to fruit, ben never to anything, cleo has just discovered cars."""
    folder: Path = tmp_path_factory.mktemp("recommend")
    server = QdrantServer(folder / "q") if request.param == "server" else None
    if server is not None:
        server.start()
    location = server.url if server is not None else str(folder / "s")
    rows = [ItemRow(f"f{n}", title, "", "fruit") for n, title in enumerate(FRUIT)]
    rows += [ItemRow(f"c{n}", title, "", "car") for n, title in enumerate(CAR)]
    day = 86400.0
    events = [event("ada", f"f{n % 2}", at=-day * (20 - n), scenario="fruit") for n in range(20)]
    events += [event("ben", f"f{n}", at=-day * (6 - n), scenario="fruit") for n in range(6)]
    events += [event("cleo", f"f{n % 5}", at=-day * (30 - n), scenario="fruit") for n in range(28)]
    events += [event("cleo", f"c{n}", at=-300.0 + 60 * n, scenario="car") for n in range(5)]
    events += [event("dan", f"c{n}", at=n, scenario="entry page") for n in range(3)]
    with open_intake(location, Settings(), create=True) as writing:
        writing.catalogue.fit(rows)
        writing.catalogue.upsert(rows)
        writing.ingest.apply(columns_of(events))
        assert writing.counts is not None
        writing.counts.finish()
    with open_for_reading(location, Settings()) as reading:
        yield reading
    if server is not None:
        server.stop()


def test_mixed_names_the_source_of_each_item_and_ranks_by_probability(workspace: Workspace) -> None:
    """Who comes back gets the own items first; new ones follow; scores fall and are shares of one mixture."""
    found = recommend(workspace, "ada", k=16)
    assert [item.source for item in found[:2]] == ["again", "again"]
    assert {item.source for item in found} == {"again", "new"}
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1.0, abs=1e-4)
    assert len({item.item_id for item in found}) == len(found)


def test_new_has_nothing_that_was_seen_and_again_nothing_else(workspace: Workspace) -> None:
    """`new` leaves out what the user met; `again` is only that."""
    seen = {f"f{n}" for n in range(6)}
    new = recommend(workspace, "ben", mode="new")
    assert not seen & {item.item_id for item in new}
    assert {item.item_id for item in new[:2]} == {"f6", "f7"}, "new items of the same kind come first"
    assert {item.item_id for item in recommend(workspace, "ben", mode="again")} == seen


def test_the_gate_follows_the_users_habit(workspace: Workspace) -> None:
    """A user who repeats is shown more of the own items than one who never does."""

    def share(user: str) -> float:
        return sum(item.score for item in recommend(workspace, user, k=100) if item.source == "again")

    assert share("ada") > 0.7 > 0.3 > share("ben")


def test_exclude_seen_and_k(workspace: Workspace) -> None:
    """Nothing seen, and no more than asked for."""
    found = recommend(workspace, "ada", k=3, exclude_seen=True)
    assert len(found) == 3
    assert not {"f0", "f1"} & {item.item_id for item in found}


def test_a_scenario_limits_the_items_where_items_belong_to_it(workspace: Workspace) -> None:
    """A department gets its own items; an entry page, to which no item belongs, all of them."""
    assert {item.scenario for item in recommend(workspace, "cleo", k=16, scenario="fruit")} == {"fruit"}
    page = recommend(workspace, "dan", k=16, scenario="entry page")
    assert {item.scenario for item in page} == {"fruit", "car"}
    assert page[0].scenario == "car"


def test_an_unknown_user_gets_what_is_popular(workspace: Workspace) -> None:
    """Of everything, or of the department that asks; only an explanation needs a user of whom something is known."""
    answer = Recommender(workspace).answer("nobody", k=4)
    assert not answer.known and {item.source for item in answer.items} == {"popular"}
    assert {item.item_id for item in answer.items[:3]} == {
        "c0",
        "c1",
        "c2",
    }  # cleo and dan have just met them
    of_cars = Recommender(workspace).answer("nobody", k=20, scenario="car").items
    assert {item.item_id for item in of_cars} == {f"c{n}" for n in range(5)}
    assert Recommender(workspace).answer("ada").known
    with pytest.raises(UserNotFound, match="nobody"):
        explain(workspace, "nobody")


def test_explain_shows_what_emergence_moved(workspace: Workspace) -> None:
    """Weights sum to one; what moved sums to zero; the new scenario has gained, and its events come first."""
    found = explain(workspace, "cleo", recent=6)
    assert found.events == 33
    assert sum(line.weight for line in found.scenarios) == pytest.approx(1.0, abs=1e-5)
    assert sum(line.moved for line in found.scenarios) == pytest.approx(0.0, abs=1e-5)
    car = next(line for line in found.scenarios if line.name == "car")
    assert car.emergence > 0 and car.moved > 0.2 and found.scenarios[0].name == "car"
    times = [line.timestamp for line in found.recent]
    assert times == sorted(times, reverse=True) and len(times) == 6
    assert (found.recent[0].item_id, found.recent[0].title) == ("c4", "Jump leads")
    assert set(found.as_dict()) >= {"user_id", "scenarios", "recent"}


def test_items_of_one_content_are_one_choice(workspace: Workspace) -> None:
    """A catalogue with the same article many times doesn't fill the list with it."""
    Intake(workspace).catalogue.upsert([ItemRow(f"same{n}", "Ripe plums", "", "fruit") for n in range(5)])
    titles = [item.title for item in recommend(workspace, "ben", k=10, mode="new")]
    assert len(titles) == len(set(titles))
    Intake(workspace).catalogue.delete([f"same{n}" for n in range(5)])
