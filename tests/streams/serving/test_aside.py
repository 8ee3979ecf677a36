"""What a user hid is not recommended, what was shown in vain fades, and who only ever hid gets what is popular."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sinks.points import item_key
from streams.events.columns import EventColumns
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.serving.aside_ranker import hidden_items
from streams.serving.explain import explain
from streams.serving.recommend import read_state, recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_for_reading
from support.data.event_columns import columns_of, event

DAY = 86400.0
SETTINGS = Settings.load(flags={"interest": {"actions": {"hide": -1.0, "shown": 0.0}, "own_items": 4}})
HIDE, SHOWN = (SETTINGS.interest.action_code(name) for name in ("hide", "shown"))


def of_kind(columns: EventColumns, code: int) -> EventColumns:
    """The same events with another action."""
    return replace(columns, action=np.full(len(columns), code, np.uint8))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A shop of games and garden: everybody takes g0 most; see the tests for who does what."""
    location = str(tmp_path_factory.mktemp("aside") / "s")
    rows = [ItemRow(f"g{n}", f"Board game {n}", "", "games") for n in range(8)]
    rows += [ItemRow(f"p{n}", f"Garden plant {n}", "", "garden") for n in range(8)]
    crowd = [
        event(f"u{user}", f"g{n}", at=-40 * DAY + user * 60 + n, scenario="games")
        for user in range(8)
        for n in range(8 - user)
    ]
    acts = [event("ada", f"p{n % 3}", at=-DAY * (20 - n), scenario="garden") for n in range(20)]
    acts += [event("ben", f"p{n % 3}", at=-DAY * (20 - n), scenario="garden") for n in range(20)]
    acts += [event("eve", f"p{n % 3}", at=-DAY * (20 - n), scenario="garden") for n in range(20)]
    hides = [event("ada", "p0", at=-30.0, scenario="garden"), event("ada", "p4", at=-40.0, scenario="garden")]
    hides += [
        event("cleo", "g0", at=-20.0, scenario="games"),
        event("cleo", "g3", at=-10.0, scenario="games"),
    ]
    hides += [event("eve", f"p{n}", at=-35 * DAY, scenario="garden") for n in range(8)]
    shown = [event("ben", "p5", at=-3000.0 + 60 * n, scenario="garden") for n in range(10)]
    shown += [event("dan", "g1", at=-3000.0 + n, scenario="games") for n in range(3)]
    with open_intake(location, SETTINGS, create=True) as writing:
        writing.catalogue.fit(rows)
        writing.catalogue.upsert(rows)
        for start, (events, code) in enumerate(((crowd + acts, 1), (hides, HIDE), (shown, SHOWN))):
            columns = of_kind(columns_of(events), code)
            offset = columns.offset + 1000 * start
            writing.ingest.apply(replace(columns, offset=offset, key=columns.key + np.uint64(start)))
        assert writing.counts is not None
        writing.counts.finish()
    with open_for_reading(location, SETTINGS) as reading:
        yield reading


def shown_to(workspace: Workspace, user: str, **asked: object) -> dict[str, float]:
    """What is recommended, with its score."""
    return {one.item_id: one.score for one in recommend(workspace, user, 20, **asked)}  # type: ignore[arg-type]


def test_what_was_hidden_is_not_recommended_in_any_mode(workspace: Workspace) -> None:
    """Neither an own item nor one that would be new, with and without a scenario."""
    for mode in ("mixed", "new", "again"):
        for scenario in (None, "garden"):
            found = shown_to(workspace, "ada", mode=mode, scenario=scenario)
            assert not {"p0", "p4"} & set(found), (mode, scenario)
    assert "p1" in shown_to(workspace, "ada", mode="again")
    assert {"p0", "p4"} <= set(shown_to(workspace, "ben"))


def test_a_hide_ends_after_its_days_or_with_an_act(workspace: Workspace) -> None:
    """Eve hid all plants five weeks ago, and took three of them since; all are there."""
    assert {f"p{n}" for n in range(8)} <= set(shown_to(workspace, "eve"))


def test_an_act_ends_a_hide_though_the_own_items_are_full(tmp_path: Path) -> None:
    """A light one that was cut from the list of own items at once, and stands among the latest events."""
    hide = of_kind(columns_of([event("flo", "a", at=-500.0)]), HIDE)
    acts = [event("flo", "a", at=-400.0)]
    acts += [event("flo", name, at=-300.0 + n) for n, name in enumerate("bcdefg" * 3)]
    columns = columns_of(acts)
    columns = replace(columns, offset=columns.offset + 10, key=columns.key + np.uint64(1))
    with open_intake(str(tmp_path / "s"), SETTINGS, create=True) as intake:
        intake.ingest.apply(hide)
        assert len(hidden_items(read_state(intake.workspace, "flo"), 0, SETTINGS.serving)) == 1
        intake.ingest.apply(columns)
        states = read_state(intake.workspace, "flo")
    assert item_key("a") not in states.own_item and item_key("a") in states.ring_item
    assert hidden_items(states, 0, SETTINGS.serving).tolist() == []


def test_who_only_ever_hid_gets_what_is_popular(workspace: Workspace) -> None:
    """Less what was hidden: the most taken of the rest first, also in a scenario; never an error."""
    found = recommend(workspace, "cleo", 2)
    assert [one.item_id for one in found] == ["g1", "g2"]
    assert not {"g0", "g3"} & set(shown_to(workspace, "cleo"))
    assert {one.source for one in found} == {"popular"}
    assert [one.item_id for one in recommend(workspace, "cleo", 2, scenario="games")] == ["g1", "g2"]
    assert recommend(workspace, "cleo", 5, scenario="garden") is not None
    told = explain(workspace, "cleo")
    assert (told.events, told.against) == (0, 2)
    assert [one.item_id for one in told.hidden] == ["g3", "g0"] and np.isfinite(told.updated_at)


def test_what_was_shown_in_vain_fades(workspace: Workspace) -> None:
    """Ten impressions without a click leave a quarter of what a like item has, for those without an act, too."""
    found, told = shown_to(workspace, "ben", mode="new"), explain(workspace, "ben")
    like = [found[f"p{n}"] for n in (3, 4, 6, 7)]
    assert found["p5"] < 0.5 * min(like)
    (faded,) = told.shown
    assert (faded.item_id, faded.times) == ("p5", 10) and faded.factor == pytest.approx(0.25, abs=0.01)
    assert told.events == 20
    assert next(iter(shown_to(workspace, "dan"))) == "g0"


def test_a_hide_in_games_does_not_raise_games(workspace: Workspace) -> None:
    """Ada is for the garden alone, whatever she hid; and shares and transitions know of acts only."""
    assert [line.name for line in explain(workspace, "ada").scenarios] == ["garden"]
    assert explain(workspace, "cleo").scenarios == []
