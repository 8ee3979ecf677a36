"""`replay` of a log that is wrong as a whole fails and says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.data.streamed_logs import rows, write_lines
from support.servers.daemon_process import driftline


def test_a_log_of_which_every_row_is_rejected_fails_with_the_reasons(tmp_path: Path) -> None:
    """Exit 1; distinct values with counts and the values allowed, and nothing of whose rows they are."""
    log = rows(60)
    names = {"browse": "view", "click": "view", "purchase": "transaction"}
    path = write_lines(tmp_path / "log.jsonl", [{**row, "action": names[row["action"]]} for row in log])
    done = driftline("replay", str(path), "--store", str(tmp_path / "s"), "--json")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "none of the 60 rows is an event" in told
    assert "40 x unknown_action: action 'view' is none of browse, click, purchase" in told
    assert "20 x unknown_action: action 'transaction' is none of browse, click, purchase" in told
    assert "user1" not in done.stderr
    assert json.loads(done.stdout)["reasons"] == {"unknown_action": 60}


@pytest.mark.parametrize(("bad", "warned"), [(20, False), (40, True)])
def test_a_log_of_which_most_is_rejected_is_warned_of(tmp_path: Path, bad: int, warned: bool) -> None:
    """The rest is applied and the exit code is 0; replayed again, it is 0 too, and says what it leaves out."""
    log = rows(60)
    path = write_lines(
        tmp_path / "log.jsonl", [{**row, "scenario": ""} if n < bad else row for n, row in enumerate(log)]
    )
    first, again = (driftline("replay", str(path), "--store", str(tmp_path / "s")) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert (f"{bad} of 60 rows were rejected" in first.stderr) == warned
    left_out = next(json.loads(line) for line in again.stderr.splitlines() if '"rejected": ' in line)
    assert left_out["level"] == "warning" and left_out["rejected"] == bad
    assert "replay them as a file of their own" in left_out["event"]
