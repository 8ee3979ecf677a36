"""A store that nothing was written to takes new settings, as failed first trials leave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sinks.errors import StoreMismatch
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from streams.workspace.workspace import open_existing
from support.data.store_points import put_users, some_users

SMALL: dict[str, Any] = {"interest": {"dim": 16}, "encoder": {"dim": 16}}


def opened(place: Path, **sections: Any) -> Intake:
    return open_intake(str(place), Settings.load(flags={**SMALL, **sections}), create=True)


@pytest.mark.parametrize(
    "sections",
    [
        {"interest": {"dim": 32}, "encoder": {"dim": 32}},
        {"interest": {"dim": 16, "half_lives_s": [60.0, 600.0]}},
        {"interest": {"dim": 16, "purchase_weight": 9.0}},
        {"counts": {"pair_window": 2}},
        {"transfer": {"interests": 2}},
        {"store": {"interests": False}},
    ],
)
def test_an_empty_store_takes_other_settings(tmp_path: Path, sections: dict[str, Any]) -> None:
    """Of each kind that is otherwise refused; then they are the store's, also for those that only read."""
    place = tmp_path / "s"
    opened(place).close()
    with opened(place, **sections) as intake:
        dim = intake.workspace.interest.dim
        put_users(intake.store.users, some_users(["a"], dim=dim))
    open_existing(str(place), Settings.load(flags={**SMALL, **sections})).close()
    if "store" not in sections and "transfer" not in sections:
        with pytest.raises(StoreMismatch):
            opened(place)


def test_a_store_with_one_user_refuses_by_name(tmp_path: Path) -> None:
    """Nothing that was written is lost to a changed setting."""
    place = tmp_path / "s"
    with opened(place) as intake:
        put_users(intake.store.users, some_users(["a"], dim=16))
    with pytest.raises(StoreMismatch, match="half_lives_s"):
        opened(place, interest={"dim": 16, "half_lives_s": [60.0, 600.0]})
    with pytest.raises(StoreMismatch, match="16 dimensions"):
        opened(place, interest={"dim": 32}, encoder={"dim": 32})
    with opened(place) as intake:
        assert intake.store.users.count() == 1
