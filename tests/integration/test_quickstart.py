"""The newcomer's first command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.servers.daemon_process import driftline

pytestmark = pytest.mark.broker


def test_the_quickstart_shows_an_interest_that_moves(tmp_path: Path) -> None:
    """The new scenario leads some events after the move and did not before; recommendations follow."""
    store = tmp_path / "store"
    done = driftline("quickstart", "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    home, new, moments = story["home"], story["new"], story["moments"]
    first = moments[0]["weights"]
    assert max(first, key=first.get) == home and first.get(new, 0.0) < 0.1
    assert any(max(moment["weights"], key=moment["weights"].get) == new for moment in moments[1:])
    before, after = ({item["item_id"] for item in story[when]} for when in ("before", "after"))
    assert any(item["scenario"] == new for item in story["after"])
    assert not any(item["scenario"] == new for item in story["before"])
    assert before != after
    assert driftline("explain", story["user_id"], "--store", str(store)).returncode == 0
