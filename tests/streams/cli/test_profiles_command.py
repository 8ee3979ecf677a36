"""`driftline profiles`: files of what users say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sinks.config import StoreConfig
from sinks.open import open_store
from streams.cli.commands import app
from streams.settings import Settings
from support.checks.states import states_of
from support.fakes.tiny_model import save_tiny_model

INTEREST = Settings().interest
ROWS = [
    {"user_id": "ada", "interests": "red grapes", "timestamp": 1.7e9},
    {"user_id": "ada", "interests": "motor oil", "scenario": "garage", "language": "en", "timestamp": 1.7e9},
    {"user_id": 17, "interests": "bread", "timestamp": 1.7e9},
    {"user_id": "eve", "interests": "milk", "timestamp": 1.7e9 + 5},
    {"user_id": "eve", "interests": "", "timestamp": 1.7e9 + 6},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), width=128, positions=128))


@pytest.fixture
def run(model: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DRIFTLINE_ENCODER__MODEL", model)
    return lambda *arguments: CliRunner().invoke(app, ["profiles", *map(str, arguments)])


def written(folder: Path, kind: str) -> Path:
    path = folder / f"profiles.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "csv":
        lines = [
            ",".join(
                str(row.get(name, ""))
                for name in ("user_id", "interests", "scenario", "language", "timestamp")
            )
            for row in ROWS
        ]
        path.write_text("\n".join(["user_id,interests,scenario,language,timestamp", *lines]) + "\n")
    else:
        table = pa.table(
            {
                "user_id": [str(row["user_id"]) for row in ROWS],
                "interests": [row["interests"] for row in ROWS],
                "scenario": [row.get("scenario") for row in ROWS],
                "language": [row.get("language") for row in ROWS],
                "timestamp": pa.array([int(row["timestamp"] * 1000) for row in ROWS], pa.timestamp("ms")),
            }
        )
        pq.write_table(table, path)
    return path


def texts(store: Path) -> dict[str, dict[str, str]]:
    with open_store(str(store), StoreConfig(), INTEREST.dim, create=False) as opened:
        names, states, _ = states_of(opened, INTEREST)
    assert states.declared is not None
    return {
        name: {row.scenario: row.text for row in states.declared.texts(user)}
        for user, name in enumerate(names)
    }


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_files_of_each_kind_say_the_same(run: Any, tmp_path: Path, kind: str) -> None:
    """Read twice, it changes nothing the second time."""
    file, store = written(tmp_path, kind), tmp_path / "s"
    done = run(file, "--store", store, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["applied"] == 5
    again = json.loads(run(file, "--store", store, "--json").stdout)
    assert (again["applied"], again["known"]) == (0, 5)
    expected = {"17": {"": "bread"}, "ada": {"": "red grapes", "garage": "motor oil"}, "eve": {}}
    assert texts(store) == expected


def test_bad_rows_are_named_and_cost_no_other(run: Any, tmp_path: Path) -> None:
    """By file, number and reason, without what they hold; columns of other names are mapped."""
    file, store, rejects = tmp_path / "p.jsonl", tmp_path / "s", tmp_path / "rejects.jsonl"
    lines = [
        "{nope",
        '{"who": "", "interests": "x"}',
        '{"who": "ada"}',
        '{"who": "ada", "interests": "jazz"}',
    ]
    file.write_text("\n".join(lines) + "\n")
    arguments = [
        file,
        "--store",
        store,
        "--map",
        "user_id=who",
        "--rejects",
        rejects,
        "--at",
        "2026-11-01T00:00:00Z",
    ]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "4 rows: 1 applied, 0 known before, 3 rejected" in done.output
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["row"], one["reason"]) for one in told] == [
        (0, "not_json"),
        (1, "empty_user_id"),
        (2, "missing_field"),
    ]
    assert texts(store) == {"ada": {"": "jazz"}}


def test_nothing_is_made_where_nothing_can_be_read(run: Any, tmp_path: Path) -> None:
    """No row, or no column: one line that says what to do, and no store."""
    file, store = tmp_path / "p.csv", tmp_path / "s"
    file.write_text("who,bio\nada,jazz\n")
    wrong = run(file, "--store", store)
    assert wrong.exit_code == 1 and "no column 'user_id'" in wrong.output and "--map" in wrong.output
    file.write_text("user_id,interests\n,jazz\n")
    none = run(file, "--store", store)
    assert none.exit_code == 1 and "none of the 1 rows is a declared interest" in none.output
    assert not store.exists()
