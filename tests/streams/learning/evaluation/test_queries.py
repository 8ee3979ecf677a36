"""Queries: what may be known when."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.queries import first_rows, given_queries, new_targets, open_queries, seen_rows
from support.data.histories import history_of, random_history


@pytest.mark.parametrize("in_scenarios", [True, False])
@pytest.mark.parametrize("make", [open_queries, given_queries])
def test_a_query_knows_exactly_what_is_strictly_earlier(make, in_scenarios):
    """No event of the basket itself, or of any later time, is among what a query may see; every earlier one is."""
    history = random_history(in_scenarios=in_scenarios)
    queries = make(history, np.arange(len(history)))
    rows, offsets = seen_rows(history, queries)
    for query in range(len(queries)):
        user, time = queries.user[query], queries.time[query]
        expected = np.flatnonzero((history.user == user) & (history.time < time))
        assert rows[offsets[query] : offsets[query + 1]].tolist() == expected.tolist()


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_each_item_of_a_basket_is_a_target_once(in_scenarios):
    """Open: one query a basket with its distinct items; given: one for each scenario in it. In order of time."""
    history = random_history(in_scenarios=in_scenarios)
    rows = np.arange(len(history))
    scenario = history.scenario
    for queries, named in (
        (open_queries(history, rows), np.full(len(history), -1)),
        (given_queries(history, rows), scenario),
    ):
        found = {
            (int(queries.user[q]), float(queries.time[q]), int(queries.scenario[q]), int(item))
            for q, item in zip(queries.target_query.tolist(), queries.target_item.tolist(), strict=True)
        }
        expected = {
            (int(history.user[r]), float(history.time[r]), int(named[r]), int(history.item[r])) for r in rows
        }
        assert found == expected and len(found) == queries.targets
        assert (np.diff(queries.time) >= 0).all()
        assert (history.item[queries.target_row] == queries.target_item).all()


def test_text_alone_is_no_target_but_is_seen():
    """An event without an item asks for nothing, and still counts as the user's history."""
    history = history_of([("a", "x", 0, "s"), ("a", "", 5, "s"), ("a", "y", 9, "s"), ("b", "", 9, "s")])
    queries = open_queries(history, np.arange(len(history)))
    assert queries.targets == 2
    assert (queries.seen - history.offsets[queries.user]).tolist() == [0, 2]


def test_an_item_outside_its_home_is_no_target_of_a_given_scenario():
    """Where items belong to scenarios, only those of the scenario are candidates, and so targets."""
    rows = [("a", f"i{n % 4}", float(n), f"s{n % 4 // 2}") for n in range(80)] + [("a", "i0", 90.0, "s1")]
    history = history_of(rows)
    last = np.array([len(history) - 1])
    assert open_queries(history, last).targets == 1
    assert given_queries(history, last).targets == 0


def test_first_rows_say_what_is_new_to_the_user():
    """A target is new where no strictly earlier event of the user has its item, also where a basket has it twice."""
    history = random_history(in_scenarios=False)
    first = first_rows(history)
    queries = given_queries(history, np.arange(len(history)))
    new = new_targets(queries, first)
    for target, row in enumerate(queries.target_row.tolist()):
        same = (history.user == history.user[row]) & (history.item == history.item[row])
        assert first[row] == np.flatnonzero(same)[0]
        assert new[target] == (not (same & (history.time < history.time[row])).any())


def test_taking_and_sampling_keep_targets_with_their_query():
    """A part of the queries, by slice or by number, is those queries with their targets."""
    history = random_history()
    queries = open_queries(history, np.arange(len(history)))
    for part, chosen in (
        (queries.take(slice(3, 9)), np.arange(3, 9)),
        (queries.take(np.array([7, 2])), np.array([7, 2])),
        (queries.take(slice(0, 9, 4)), np.array([0, 4, 8])),
    ):
        for place, query in enumerate(chosen.tolist()):
            mine = part.target_item[part.target_offsets[place] : part.target_offsets[place + 1]]
            theirs = queries.target_item[queries.target_offsets[query] : queries.target_offsets[query + 1]]
            assert mine.tolist() == theirs.tolist()
    sampled = queries.sample(5, seed=3)
    assert len(sampled) == 5 and (np.diff(sampled.time) >= 0).all()
    assert sampled.seen.tolist() == queries.sample(5, seed=3).seen.tolist()
