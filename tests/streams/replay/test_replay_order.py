"""The order of a replay's steps: ended after any of them and run again, each row counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.event_log.log import open_logs
from streams.ingest.intake import open_intake
from streams.replay.replay import replay
from streams.settings import Settings
from support.data.event_columns import NOW
from support.data.log_files import write
from support.data.replayed import busy_rows, counts_expected, counts_in, replayed

STEPS = (
    *("users claimed", "progress read", "users prepared", "users written"),
    *("users remembered", "steps counted", "progress raised"),
)


class Ended(Exception):
    """Where the test ends the replay."""


@pytest.mark.parametrize("step", STEPS)
def test_a_replay_that_ends_after_any_step_is_gone_on_with(step: str, tmp_path: Path) -> None:
    """At the first batch and, where the step comes with every batch, at a later one: nothing is lost or counted twice."""
    place, rows = str(tmp_path / "store"), busy_rows(0, 400)
    path = write(tmp_path / "log.parquet", rows)
    for number in (1, 3):
        seen = 0
        with open_intake(place, Settings(), create=True) as intake:

            def on_step(reached: str, number: int = number) -> None:
                nonlocal seen
                seen += reached == step
                if seen == number:
                    raise Ended

            intake.failpoints.on_step = on_step
            try:
                replay(intake, open_logs([path], now=NOW, batch_rows=50))
            except Ended:
                pass
            else:
                assert number > 1 and step in ("users claimed", "progress read"), "not exercised"
    replayed(place, path)
    assert counts_in(place) == counts_expected(rows)
