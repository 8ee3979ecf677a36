"""What a profile proposes is chosen by nothing of what evaluate will test on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.learning.history import History
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.known_part import known_part
from streams.learning.profile.questions import questions_of
from streams.learning.profile.run import profile
from streams.learning.profile.settings_file import settings_text
from streams.learning.split import By, SplitPlan, split_of
from support.data.profiled import Row, groceries, history_of, row, sessions
from transfer.config import InterestConfig


def growing(events: int = 6000, growth: float = 20.0) -> list[Row]:
    """Habits of forty users and now and then something new, at a rate that grows evenly to so many times what it was."""
    rng = np.random.default_rng(5)
    rate = np.cumsum(np.linspace(1.0, growth, 1000))
    times = np.round(np.interp(np.sort(rng.random(events)) * rate[-1], rate, np.linspace(0, 1e7, 1000)))
    habits = rng.integers(150, size=(40, 15))
    log = []
    for at in times.tolist():
        user = int(rng.integers(40))
        item = rng.choice(habits[user]) if rng.random() < 0.7 else rng.integers(150)
        log.append(row(user, int(item), at, f"s{item % 3}"))
    return log


def positions() -> list[Row]:
    """Sequences with times 0, 1, 2, ..."""
    rng = np.random.default_rng(0)
    return [
        {**row(user, int(rng.integers(60)), 0), "timestamp": float(n)}
        for user in range(150)
        for n in range(30)
    ]


def with_noise_in_the_test(folder: Path, rows: list[Row], by: By) -> tuple[History, History]:
    """The log, and one whose test part is of other users, items, actions and scenarios, its rows in another order."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    history = history_of(folder / "a", rows)
    split = split_of(history, by, force=True)
    tested = {(history.users[history.user[r]], float(history.time[r])) for r in split.test.tolist()}
    rng = np.random.default_rng(3)
    other = []
    for one in rows:
        if (one["user_id"], one["timestamp"]) not in tested:
            other.append(one)
            continue
        noise = {
            "item_id": f"i{rng.integers(2000)}",
            "scenario": f"s{rng.integers(50)}",
            "action": "purchase",
        }
        if by != "last":
            noise["user_id"] = f"u{rng.integers(500)}"
        other.append({**one, **noise})
    mixed = [other[n] for n in rng.permutation(len(other)).tolist()]
    return history, history_of(folder / "b", mixed)


@pytest.mark.parametrize(
    ("log", "by"), [(growing, "time"), (groceries, "events"), (sessions, "time"), (positions, "last")]
)
def test_noise_in_the_test_part_changes_no_byte_of_the_settings(tmp_path: Path, log: type, by: By) -> None:
    """Whatever happens in the test part: the same settings file, counted rooms included, by the same evidence."""
    plan = SplitPlan(by, force=True)
    found = [
        profile(history, InterestConfig(), plan=plan)
        for history in with_noise_in_the_test(tmp_path, log(), by)
    ]
    a, b = found
    assert settings_text(a.proposal, "From a log.") == settings_text(b.proposal, "From a log.")
    assert a.as_dict()["evidence"] == b.as_dict()["evidence"] and a.proposal.asked["new"]
    assert a.facts.items < b.facts.items  # what the log is, is told of all of it


@pytest.mark.parametrize("by", ["time", "events"])
def test_questions_lie_in_the_validation_part_of_evaluate(tmp_path: Path, by: By) -> None:
    """Of a log whose rate grows twentyfold, too: every question's time is in validation as `evaluate` cuts it."""
    history = history_of(tmp_path, growing())
    split = split_of(history, by)
    times = history.time[split.validation]
    known = known_part(history, np.zeros(len(history), np.bool_), SplitPlan(by))
    assert known.parts is not None and known.history.time.max() <= times.max()
    questions = questions_of(
        known.history, baskets_of(known.history), known.parts, 5000, np.random.default_rng(0)
    )
    assert len(questions) > 300 and np.isin(questions.time, times).all()
    assert known.history.time[questions.fit].max() < times.min()
