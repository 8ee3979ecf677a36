"""driftline probe, and what recommend and evaluate make of it, as users call them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from streams.cli.commands import app
from support.data.tastes import taste_rows, write_rows


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("tastes") / "events.jsonl", taste_rows())


def driftline(*arguments):
    """In this process: its imports cost more than the work."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def test_a_log_says_what_to_ask_and_a_store_asks_it(log, tmp_path):
    """The list goes to people and to a file; who has acted is answered as ever, and the settings can name the file."""
    out, store = tmp_path / "probes.json", str(tmp_path / "store")
    done = driftline("probe", str(log), "--out", str(out), "--count", "10")
    assert done.exit_code == 0, done.stderr
    assert "by whom nothing was chosen" in done.stdout and "most liked items" in done.stdout
    again = driftline("probe", str(log), "--out", str(out))
    assert again.exit_code == 2 and "--force" in again.stderr
    asked = [one["item_id"] for one in json.loads(out.read_text())["overall"]["items"]]
    assert driftline("replay", str(log), "--store", store).exit_code == 0
    found = driftline("recommend", "newcomer", "--store", store, "--probe", str(out), "--k", "4", "--json")
    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert [item["item_id"] for item in told["items"]] == asked[:4] and told["user"] == "new"
    assert "send each answer as an event" in found.stderr
    settings = tmp_path / "driftline.toml"
    settings.write_text('[serving]\nprobes = "probes.json"\n')
    shown = driftline("recommend", "newcomer", "--store", store, "--config", str(settings))
    assert "who likes it likes" in shown.stdout
    known = driftline("recommend", "u1", "--store", store, "--config", str(settings), "--json")
    assert "probe" not in {item["source"] for item in json.loads(known.stdout)["items"]}


def test_evaluate_judges_what_is_asked(log, tmp_path):
    """With --cold-start, in JSON and in the report; what is there is not asked again."""
    report = tmp_path / "report"
    asked = ["evaluate", str(log), "--methods", "popularity", "--seeds", "1", "--cold-start", "--json"]
    asked += ["--report", str(report), "--force"]
    done = driftline(*asked)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["cold_start"]
    assert found["greedy_minus"]["most liked"]["5"]["low"] > 0
    assert json.loads((report / "results.json").read_text())["cold_start"] == found
    assert "## Cold start" in (report / "report.md").read_text()
    kept = report / "results" / "cold-start.0.npz"
    before = kept.stat().st_mtime_ns
    again = driftline(*asked, "--resume", str(report / "results"))
    assert json.loads(again.stdout)["cold_start"] == found and kept.stat().st_mtime_ns == before
