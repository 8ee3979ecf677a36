"""Clocks that are wrong do not bend what a profile proposes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.learning.profile.run import Profile, profile
from streams.learning.split import SplitPlan
from streams.learning.stray_clocks import StrayClocks, stray_times
from support.data.profiled import DAY_S, Row, groceries, history_of
from transfer.config import InterestConfig


def profiled(folder: Path, rows: list[Row]) -> Profile:
    folder.mkdir()
    return profile(history_of(folder, rows), InterestConfig(), plan=SplitPlan(force=True))


def half_lives(found: Profile) -> list[float]:
    return list(found.proposal.sections["interest"]["half_lives_s"].value)


@pytest.mark.parametrize("ahead_d", [200.0, 10.0, -3000.0])
def test_a_clock_that_is_wrong_does_not_bend_the_half_lives(tmp_path: Path, ahead_d: float) -> None:
    """One event in a hundred of a log of the past that is weeks or years away from the others, ahead or behind: the shortest
    and the longest half-life stay what they are without it, and the report counts what was left out."""
    rows = [{**row, "timestamp": row["timestamp"] - 1200 * DAY_S} for row in groceries(users=60)]
    clean = half_lives(profiled(tmp_path / "clean", rows))
    end = max(row["timestamp"] for row in rows)
    rng = np.random.default_rng(3)
    bent = [dict(row) for row in rows]
    late = [n for n in range(len(rows)) if rows[n]["timestamp"] > end - 9 * DAY_S]
    places = late if ahead_d == 10 else range(len(rows))
    count = min(len(rows) // 100, len(places) // 2)
    for place in rng.choice(np.array(places), count, replace=False):
        bent[place]["timestamp"] += ahead_d * DAY_S
    found = profiled(tmp_path / "bent", bent)
    assert half_lives(found)[0] == pytest.approx(clean[0], rel=0.15)
    assert half_lives(found)[-1] == pytest.approx(clean[-1], rel=0.15)
    strays = found.facts.strays
    assert (strays.ahead if ahead_d > 0 else strays.behind) > 0.5 * count
    assert "clocks that are wrong" in str(strays)


def test_a_log_that_is_thin_at_its_ends_is_left_alone() -> None:
    """Beginnings of a shop, its quiet years, a few events: no clocks are wrong there."""
    rng = np.random.default_rng(1)
    growing = np.cumsum(rng.exponential(1.0, 5000) / np.linspace(1, 10, 5000))
    fading = np.append(rng.uniform(0, 100, 4000), rng.uniform(100, 800, 400))
    for times in (
        growing,
        fading,
        np.arange(20.0),
        np.zeros(1000),
        np.arange(900.0) ** 2,
        np.arange(900.0) * 1e6,
    ):
        ahead, behind = stray_times(times)
        assert not ahead.any() and not behind.any()
    assert str(StrayClocks()) == ""
