"""Exports: the suffix says the form, and each form holds the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from streams.errors import SettingsError
from streams.serving.export import USERS_AT_A_TIME, export_users
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_workspace
from support.data.store_points import put_users, some_users


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """More users than are read at a time."""
    settings = Settings.load(flags={"interest": {"dim": 16}, "encoder": {"dim": 16}})
    opened = open_workspace(str(tmp_path / "s"), settings, create=True)
    put_users(opened.store.users, some_users([f"u{n}" for n in range(USERS_AT_A_TIME + 7)], dim=16))
    return opened


def test_each_form_holds_the_same_numbers(workspace: Workspace, tmp_path: Path) -> None:
    """Text has every digit that a float32 has: read back, it is the same number."""
    counts = {export_users(workspace, tmp_path / name) for name in ("u.parquet", "u.csv", "u.jsonl", "u.CSV")}
    assert counts == {USERS_AT_A_TIME + 7}
    table = pq.read_table(tmp_path / "u.parquet").to_pylist()
    with (tmp_path / "u.csv").open(newline="") as file:
        from_csv = [
            {"user_id": row["user_id"], **{key: json.loads(row[key]) for key in ("fused", "weights")}}
            for row in csv.DictReader(file)
        ]
    from_lines = [json.loads(line) for line in (tmp_path / "u.jsonl").read_text().splitlines()]
    for rows in (from_csv, from_lines):
        assert [row["user_id"] for row in rows] == [row["user_id"] for row in table]
        found = np.array([row["fused"] for row in rows], np.float32)
        assert np.array_equal(found, np.array([row["fused"] for row in table], np.float32))
        assert [[w["scenario"] for w in row["weights"]] for row in rows] == [
            [w["scenario"] for w in row["weights"]] for row in table
        ]


@pytest.mark.parametrize("name", ["u", "u.txt", "u.parquet.tmp", "u.xlsx"])
def test_a_suffix_that_says_nothing_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    """No Parquet under another name."""
    with pytest.raises(SettingsError, match=r"\.parquet, \.csv, \.jsonl"):
        export_users(workspace, tmp_path / name)
    assert not (tmp_path / name).exists()
