"""Slices: what is said of a target is what was so before its basket."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.slices import COLD, DAY, MAIN, NEVER, facts, slices
from streams.learning.queries import given_queries, open_queries
from support.data.histories import history_of, random_history


@pytest.mark.parametrize("make", [open_queries, given_queries])
def test_facts_are_what_counting_says(make):
    """Every fact of every target equals the count over strictly earlier events, row by row."""
    history = random_history(in_scenarios=False)
    queries = make(history, np.arange(len(history)))
    found = facts(history, queries, Candidates(history))
    for target, (query, row) in enumerate(
        zip(queries.target_query.tolist(), queries.target_row.tolist(), strict=True)
    ):
        user, time, item = history.user[row], history.time[row], history.item[row]
        earlier = (history.user == user) & (history.time < time)
        there = earlier & (history.scenario == history.scenario[row])
        assert queries.user[query] == found.user[target] == user
        assert found.new[target] == (not (history.item[earlier] == item).any())
        assert found.nth[target] == there.sum() + 1
        assert found.idle[target] == (time - history.time[there].max() if there.any() else np.inf)
        assert found.user_events[target] == earlier.sum()
        assert found.item_events[target] == ((history.item == item) & (history.time < time)).sum()
        latest = earlier & (history.time == history.time[earlier].max()) if earlier.any() else earlier
        assert found.moved[target] == (item not in history.item[latest])
        assert found.known[target] == (history.item[history.time < time] == item).any()
        in_scenario = history.item[(history.scenario == history.scenario[row]) & (history.time < time)]
        assert found.scenario_items[target] == len(set(in_scenario.tolist()))


def test_slices_part_the_targets():
    """never, dormant and old are all targets, each once; so are new and repeat, and the activity groups."""
    history = random_history(events=400)
    queries = open_queries(history, np.arange(len(history) // 3, len(history)))
    parts = slices(facts(history, queries, Candidates(history)), history.scenarios, dormant_s=3 * 3600)
    for names in (
        ("never", "dormant", "old"),
        ("emerging", "old"),
        ("new", "repeat"),
        ("activity/low", "activity/middle", "activity/high"),
        tuple(f"scenario/{name}" for name in history.scenarios),
    ):
        kept = [parts[name].chosen.astype(int) for name in names if name in parts]
        assert sum(kept).tolist() == [1] * queries.targets
    assert all(part.chosen.any() for part in parts.values())
    for name, part in parts.items():
        assert part.without_own == ("new" in name.split("/"))
    assert parts["new in the list"].chosen.tolist() == parts["new"].chosen.tolist()
    for part in parts.values():
        assert not part.without_own or not (part.chosen & parts["repeat"].chosen).any()


def test_a_scenario_is_new_for_five_events_and_dormant_after_a_month():
    """The 1st-5th event is never-visited, the 6th old, and the next after 31 days dormant."""
    rows = [("a", f"i{n}", float(n), "s") for n in range(6)] + [("a", "i9", 31 * DAY, "s")]
    rows += [("b", "i1", 0.0, "t")]
    history = history_of(rows)
    mine = np.flatnonzero(history.user == history.users.index("a"))
    queries = open_queries(history, mine)
    parts = slices(facts(history, queries, Candidates(history)), history.scenarios)
    assert parts["never"].chosen.tolist() == [n < NEVER for n in range(7)]
    assert parts["dormant"].chosen.tolist() == [False] * 6 + [True]
    assert parts["old"].chosen.tolist() == [False] * 5 + [True, False]
    assert parts["cold-user"].chosen.tolist() == [n < COLD for n in range(7)]


def test_new_visitors_have_nothing_before_and_unknown_items_nobody():
    """A user's first basket is a new visitor's; an item that nobody had is unknown, also to those who take it at once."""
    rows = [
        ("a", "x", 0.0, "s"),
        ("b", "x", 5.0, "s"),
        ("b", "y", 5.0, "s"),
        ("c", "y", 5.0, "s"),
        ("b", "y", 6.0, "s"),
    ]
    history = history_of(rows)
    queries = open_queries(history, np.arange(len(history)))
    parts = slices(facts(history, queries, Candidates(history)), history.scenarios)
    told = [
        (history.users[user], history.items[item])
        for user, item in zip(
            queries.user[queries.target_query].tolist(), queries.target_item.tolist(), strict=True
        )
    ]
    chosen = {name: [told[n] for n in np.flatnonzero(part.chosen)] for name, part in parts.items()}
    assert sorted(chosen["new visitors"]) == [("a", "x"), ("b", "x"), ("b", "y"), ("c", "y")]
    assert sorted(chosen["unknown"]) == [("a", "x"), ("b", "y"), ("c", "y")]
    assert set(MAIN) - {"dormant", "old"} <= set(parts)


def test_users_of_as_many_events_are_in_one_activity_group():
    """Which of several new visitors comes first in a log says nothing about them."""
    rows = [(f"u{user}", f"i{user}", 100.0 + user, "s") for user in range(6)]
    rows += [(f"old{user}", f"i{n}", float(n), "s") for user in range(3) for n in range(user + 2)]
    history = history_of(rows)
    queries = open_queries(history, np.flatnonzero(history.time > history.time.min()))
    found = facts(history, queries, Candidates(history))
    new = found.activity[found.user_events == 0]
    assert len(new) == 6 and found.activity.max() == 2 and len(set(new.tolist())) == 1
