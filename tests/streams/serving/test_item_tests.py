"""What is hidden, not available, or does not pass what a request says is never shown, and something else always is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinks.item_filter import AttributeTest, passes_all
from sinks.points import item_key
from streams.errors import SettingsError
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.serving.item_tests import available_at, parse_moment, parse_tests
from streams.serving.model_ranker import ranker_of
from streams.serving.recommend import Recommender, read_state, recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_for_reading
from support.data.event_columns import columns_of, event
from support.qdrant_server import QdrantServer

ITEMS = 600
NOW = 1_775_000_000.0  # 2026-03-31
SOON, LONG_AGO = "2026-04-01T00:00:00Z", "2020-01-01T00:00:00Z"
RNG = np.random.default_rng(2)


def attributes(number: int) -> dict:
    """Nine of ten are hidden or not available; ids below 40, the users' own, half of them."""
    found: dict = {"price": number % 50, "brand": ["acme", "other"][number % 2]}
    kinds = [{"hidden": True}, {"available_from": SOON}, {"available_until": LONG_AGO}, {"hidden": False}]
    if number >= 40:
        return found | (kinds[int(RNG.integers(3))] if RNG.random() < 0.9 else kinds[3])
    return found | (kinds[0] if number % 2 else {"available_from": LONG_AGO, "available_until": SOON})


ROWS = [ItemRow(f"i{number}", "", "", f"s{number % 2}", attributes(number)) for number in range(ITEMS)]
ATTRIBUTES = {row.item_id: row.attributes for row in ROWS}


@pytest.fixture(scope="module", params=["folder", "server"])
def workspace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """Users with own items of which half are hidden, and a catalogue of which most is."""
    folder: Path = tmp_path_factory.mktemp("tests")
    server = QdrantServer(folder / "q") if request.param == "server" else None
    if server is not None:
        server.start()
    location = server.url if server is not None else str(folder / "s")
    events = [event("ada", f"i{n}", at=-3600.0 * (40 - n), scenario=f"s{n % 2}") for n in range(40)]
    events += [event("ben", "i1", at=0.0, scenario="s1")]
    with open_intake(location, Settings(), create=True) as writing:
        writing.catalogue.upsert(ROWS)
        writing.ingest.apply(columns_of(events))
    with open_for_reading(location, Settings()) as reading:
        yield reading
    if server is not None:
        server.stop()


@pytest.mark.parametrize("user", ["ada", "ben"])
@pytest.mark.parametrize("scenario", [None, "s1"])
@pytest.mark.parametrize("where", ["", "price<10", "brand=other,price>=25", 'brand!="acme"'])
def test_the_best_that_pass_are_shown_with_their_scores(workspace: Workspace, user, scenario, where) -> None:
    """What is shown is the ranking of all items less those that don't pass: the same items, order and scores, for any `k`."""
    tests = (*available_at(NOW), *parse_tests(where))
    ranking = whole_ranking(workspace, user, scenario)
    passing = [one for one in ranking if passes_all(tests, ATTRIBUTES[one[0]])]
    assert 0 < len(passing) < len(ranking) / 3
    for k in (1, 5, len(passing), len(passing) + 5):
        found = Recommender(workspace, tests=parse_tests(where), at=NOW).recommend(user, k, scenario)
        assert [one.item_id for one in found] == [item for item, _ in passing[:k]]
        scores = [score for _, score in passing[:k]]
        np.testing.assert_allclose([one.score for one in found], scores, rtol=2e-3, atol=1e-7)


def whole_ranking(workspace: Workspace, user: str, scenario: str | None) -> list[tuple[str, float]]:
    """All items that compete, as the ranker scores them, best first."""
    states = read_state(workspace, user)
    ranked = ranker_of(workspace).score(states, [scenario], ITEMS)
    ids = {item_key(row.item_id): row.item_id for row in ROWS}
    found = [
        (ids[key], float(score)) for key, score in zip(ranked.keys.tolist(), ranked.scores[0], strict=True)
    ]
    return sorted((one for one in found if one[1] > 0), key=lambda one: (-one[1], item_key(one[0])))


def test_own_items_that_are_hidden_do_not_come_again(workspace: Workspace) -> None:
    """Neither as own items nor in their place anything that was not asked for."""
    found = Recommender(workspace, at=NOW).recommend("ada", 100, mode="again")
    assert {one.item_id for one in found} == {f"i{n}" for n in range(0, 40, 2)}


def test_availability_changes_with_time(workspace: Workspace) -> None:
    """An item is shown from the very second of `available_from` to before that of `available_until`."""
    begins, ends = parse_moment(SOON), parse_moment(SOON)
    before, after = (
        {one.item_id for one in Recommender(workspace, at=at).recommend("ada", ITEMS)}
        for at in (begins - 1, ends)
    )
    own = {f"i{n}" for n in range(0, 40, 2)}
    later = {item for item, held in ATTRIBUTES.items() if held.get("available_from") == SOON}
    assert own <= before and not own & after
    assert later <= after and not later & before


def test_now_is_the_clock_of_the_workspace(workspace: Workspace) -> None:
    """Without a time a request is about now."""
    moments = parse_moment(SOON) - 1, parse_moment(SOON) + 1
    for moment in moments:
        workspace.now = lambda moment=moment: moment
        expected = Recommender(workspace, at=moment).recommend("ben", 20)
        assert [one.item_id for one in recommend(workspace, "ben", 20)] == [one.item_id for one in expected]


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("price<20", [AttributeTest("price", "<", 20)]),
        (
            "price <= 9.5 , brand = acme",
            [AttributeTest("price", "<=", 9.5), AttributeTest("brand", "=", "acme")],
        ),
        ("sale=true,new!=false", [AttributeTest("sale", "=", True), AttributeTest("new", "!=", False)]),
        ('"Variant SKU"="0042"', [AttributeTest("Variant SKU", "=", "0042")]),
        ("sku=0042", [AttributeTest("sku", "=", "0042")]),
        ('brand="Smith, Sons"', [AttributeTest("brand", "=", "Smith, Sons")]),
        ("released>2026-03-01", [AttributeTest("released", ">", "2026-03-01T00:00:00Z")]),
        ("", []),
    ],
)
def test_tests_are_written_as_a_line(text: str, tests: list[AttributeTest]) -> None:
    """Numbers, truth values, texts and times, with names of any kind."""
    assert list(parse_tests(text)) == tests


@pytest.mark.parametrize(
    "text", ["price", "=5", "price<cheap", "sale>true", 'a"b=1', "price<20 brand=acme,="]
)
def test_what_is_no_test_is_refused(text: str) -> None:
    """Nothing is guessed: the part that can't be read is named."""
    with pytest.raises(SettingsError, match="--where"):
        parse_tests(text)
