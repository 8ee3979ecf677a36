"""Candidates: who competes when, and in which order equal scores stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.learning.evaluation.candidates import Candidates
from streams.learning.history import load_history
from streams.learning.homes import with_homes_of
from streams.learning.queries import open_queries
from support.data.histories import history_of, random_history


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_items_compete_once_anyone_had_them_strictly_before(in_scenarios):
    """At any time, asked in any order: the items with an earlier event, those of the scenario where items belong to one."""
    history = random_history(in_scenarios=in_scenarios)
    candidates = Candidates(history)
    assert candidates.by_item_scenario == in_scenarios
    for time in np.random.default_rng(0).choice(history.time, 60).tolist():
        for scenario in (-1, 0, 2):
            seen = set(history.item[history.time < time].tolist())
            if in_scenarios and scenario >= 0:
                seen = {item for item in seen if history.item_scenario[item] == scenario}
            found = candidates.at(scenario, time)
            assert set(found.codes.tolist()) == seen
            assert found.codes[found.places(found.codes)].tolist() == found.codes.tolist()
            missing = np.setdiff1d(np.arange(len(history.items)), found.codes)
            assert (found.places(missing) == -1).all()


def test_the_order_of_equal_scores_hangs_on_ids_alone():
    """A log in another order ranks equal scores alike, and the order has nothing to do with that of first appearance."""
    rows = [("a", f"i{n}", float(n), "s") for n in range(200)]
    orders = []
    for log in (rows, [(user, item, 200 - at, place) for user, item, at, place in rows[::-1]]):
        history = history_of(log)
        codes = Candidates(history).at(-1, np.inf).codes.tolist()
        orders.append([history.items[code] for code in codes])
    assert orders[0] == orders[1]
    by_appearance = [int(item[1:]) for item in orders[0]]
    assert abs(np.corrcoef(by_appearance, np.arange(200))[0, 1]) < 0.2


def test_a_date_of_availability_lets_items_compete_and_the_catalogue_alone_does_not(tmp_path):
    """From `available_from` on an item competes, also without an event; one without a date only after its first event."""
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    events.write_text(
        "user_id,item_id,timestamp,scenario,action\nu,bought,1000,s,click\nu,early,2000,s,click\n"
    )
    items.write_text(
        "item_id,title,available_from\nbought,Rake,\nundated,Hoe,\ndated,Spade,1500\nearly,Axe,1970-01-01T00:10:00Z\n"
    )
    history = load_history(open_logs([events], now=1e9), open_catalogue([items]))
    candidates = Candidates(history)
    expected = {600.0: {"early"}, 1000.0: {"early"}, 1000.5: {"early", "bought"}, 1499.0: {"early", "bought"}}
    expected[1500.0] = expected[9e9] = {"early", "bought", "dated"}
    for time, names in expected.items():
        assert {history.items[code] for code in candidates.at(-1, time).codes.tolist()} == names


def test_without_a_common_clock_the_known_events_items_compete():
    """Leave one out: items of the given events compete whenever it is; queries before them tell that there is no clock."""
    history = random_history()
    rows = np.flatnonzero(history.time < np.median(history.time))
    known = set(history.item[rows].tolist())
    early = open_queries(history, np.arange(len(history)))
    for candidates in (Candidates(history, rows), Candidates.after(history, rows, early)):
        for time in (0.0, 1e12):
            assert set(candidates.at(-1, time).codes.tolist()) == known
    later = open_queries(history, np.setdiff1d(np.arange(len(history)), rows))
    assert len(Candidates.after(history, rows, later).at(-1, 0.0)) == 0


def test_where_an_item_belongs_is_not_learned_from_what_comes_later():
    """Other scenarios of later events move no item; an item of later events alone belongs where its first event is."""
    rows = [("a", f"i{n % 6}", float(n), f"s{n % 2}") for n in range(60)]
    rows += [("b", "late", 70.0, "s1")] + [
        ("b", item, 80.0 + n, "s0") for n, item in enumerate(["late", "i1"] * 40)
    ]
    history = history_of(rows)
    early = np.flatnonzero(history.user == history.users.index("a"))
    homes = dict(zip(history.items, with_homes_of(history, early).item_scenario.tolist(), strict=True))
    assert homes == {**{f"i{n}": history.scenarios.index(f"s{n % 2}") for n in range(6)}, "late": 1}
    assert (history.item_scenario != with_homes_of(history, early).item_scenario).any()
    again = with_homes_of(with_homes_of(history, early), early)
    assert again.item_scenario.tolist() == with_homes_of(history, early).item_scenario.tolist()
    shuffled = replace(
        history,
        scenario=np.where(history.user == history.user[early[0]], history.scenario, 1 - history.scenario),
    )
    moved = with_homes_of(shuffled, early).item_scenario.tolist()
    assert moved[:6] == with_homes_of(history, early).item_scenario.tolist()[:6]


def test_the_catalogues_word_counts_for_items_without_events(tmp_path):
    """An item that no event has belongs where the catalogue says, as elsewhere."""
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    events.write_text(
        "user_id,item_id,timestamp,scenario,action\n"
        + "".join(f"u,i{n % 4},{n},s{n % 2},click\n" for n in range(40))
    )
    items.write_text("item_id,title,scenario\nspare,Hoe,s1\n")
    history = load_history(open_logs([events], now=1e9), open_catalogue([items]))
    found = with_homes_of(history, np.arange(30))
    assert found.item_scenario.tolist() == history.item_scenario.tolist()
    assert history.scenarios[found.item_scenario[history.items.index("spare")]] == "s1"
