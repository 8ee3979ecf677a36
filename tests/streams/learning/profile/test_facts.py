"""Counts of a log: repeats, new and dormant scenarios, text, spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.learning.history import History
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.clock import clock_of
from streams.learning.profile.facts import LogStatistics, facts_of, repeats
from streams.learning.profile.scenarios import scenario_use
from support.data.profiled import DAY_S, groceries, history_of, row


def facts(history: History) -> LogStatistics:
    """All facts."""
    baskets = baskets_of(history)
    return facts_of(history, baskets, clock_of(baskets), scenario_use(history))


def test_a_repeat_is_of_an_earlier_time(tmp_path: Path) -> None:
    """The same item twice in one basket, under two scenarios, is no repeat; later it is."""
    log = [row(0, 1, 0), row(0, 1, 0, "s1"), row(0, 2, 0), row(0, 1, 60), row(1, 1, 90)]
    history = history_of(tmp_path, log)
    found = {(int(history.user[e]), float(history.time[e])): bool(r) for e, r in enumerate(repeats(history))}
    assert [again for _, again in sorted(found.items())] == [False, True, False]
    assert facts(history).repeat_share == pytest.approx(0.2)


def test_new_and_dormant_scenarios(tmp_path: Path) -> None:
    """The first five events in a scenario enter it; after thirty days away it was dormant; the first basket doesn't count."""
    log = [row(0, n, n * 60.0, "home") for n in range(8)]
    log += [row(0, 20 + n, 1000 + n, "new") for n in range(2)]
    log += [row(0, 30, 40 * DAY_S, "home"), row(0, 31, 40 * DAY_S + 60, "home")]
    use = scenario_use(history_of(tmp_path, log))
    # Of 11 events after the first: the 2nd to 5th of home and both of new enter; one of home wakes it.
    assert use.new_share == pytest.approx(6 / 11)
    assert use.first_share == pytest.approx(1 / 11)
    assert use.dormant_share == pytest.approx(1 / 11)
    assert use.late_users == 1.0 and use.per_user.tolist() == [2]


def test_scenarios_by_a_plain_loop(tmp_path: Path) -> None:
    """On a whole log the columns say what a loop over events says."""
    history = history_of(tmp_path, groceries(users=8, trips=12))
    use = scenario_use(history)
    new = first = events = 0
    for user in range(len(history.users)):
        rows = range(history.offsets[user], history.offsets[user + 1])
        for e in rows:
            if history.time[e] == history.time[rows[0]]:
                continue
            before = [f for f in rows if history.time[f] < history.time[e]]
            same = sum(history.scenario[f] == history.scenario[e] for f in before)
            events, new, first = events + 1, new + (same < 5), first + (same == 0)
    assert use.new_share == pytest.approx(new / events) and use.first_share == pytest.approx(first / events)


def test_a_log_of_texts_alone(tmp_path: Path) -> None:
    """Queries without items have no items, no repeats, and text in every event."""
    log = [{**row(0, 0, n), "item_id": "", "text": f"query {n}"} for n in range(5)]
    found = facts(history_of(tmp_path, log))
    assert (found.items, found.repeat_share, found.text_events) == (0, 0.0, 1.0)


def test_quantiles_are_of_users_with_events(tmp_path: Path) -> None:
    """A user whose events were all rejected is no user."""
    found = facts(history_of(tmp_path, [row(0, 1, 0), row(0, 2, 9), {**row(1, 1, 0), "scenario": ""}]))
    assert found.users == 1 and found.rejected == 1 and found.events_per_user["q05"] == 2
    assert np.isclose(found.span_of_user["q50"], 9)
