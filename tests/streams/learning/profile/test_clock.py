"""What timestamps measure is seen from the gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.clock import Clock, clock_of
from support.data.profiled import DAY_S, Row, groceries, history_of, pages, row, sessions


def clock(folder: Path, rows: list[Row]) -> Clock:
    """Of a log of these rows."""
    return clock_of(baskets_of(history_of(folder, rows)))


def test_seconds_of_sessions(tmp_path: Path) -> None:
    """Gaps of seconds between single events are taken for what they are."""
    found = clock(tmp_path, sessions(users=10))
    assert found.kind == "seconds" and found.unit_s == 1.0 and found.floor_s <= 1.0


def test_baskets_of_a_till_are_no_pages(tmp_path: Path) -> None:
    """Many events at one time, but one basket a visit: short gaps are not the usual ones."""
    found = clock(tmp_path, groceries(users=10))
    assert found.kind == "seconds" and found.tied_share > 0.5


def test_days_know_no_shorter_half_life(tmp_path: Path) -> None:
    """Where all times are dates, nothing below half a day means anything."""
    log = [{**one, "timestamp": one["timestamp"] // DAY_S * DAY_S} for one in groceries(users=10)]
    found = clock(tmp_path, log)
    assert found.kind == "days" and found.floor_s == DAY_S / 2


def test_days_survive_the_change_of_the_clock(tmp_path: Path) -> None:
    """Local midnights are 23 or 25 hours apart twice a year, and days all the same."""
    log = [row(user, n, n * DAY_S - (3600.0 if n > 50 else 0.0)) for user in range(3) for n in range(100)]
    assert clock(tmp_path, log).kind == "days"


def test_positions_count_events(tmp_path: Path) -> None:
    """Timestamps 0, 1, 2, ... for each user are positions."""
    log = [{**row(user, user + n, 0), "timestamp": float(n)} for user in range(5) for n in range(30)]
    found = clock(tmp_path, log)
    assert found.kind == "positions" and found.floor_s == 1.0


def test_pages_have_no_half_life_below_a_visit(tmp_path: Path) -> None:
    """Small batches every half minute tell how a form was filled in: the floor is a visit's length."""
    found = clock(tmp_path, pages(users=30))
    assert found.kind == "pages" and 300 <= found.floor_s <= 1800


@pytest.mark.parametrize("rows", [[row(0, 0, 0)], [row(0, 0, 0), row(1, 0, 5)]])
def test_a_log_without_gaps_is_of_seconds(tmp_path: Path, rows: list[Row]) -> None:
    """Nothing to judge by is no error."""
    assert clock(tmp_path, rows).kind == "seconds"
