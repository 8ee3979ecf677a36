"""driftline profile, as its users call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.errors import MissingExtra
from streams.learning.profile import plots
from streams.settings import Settings
from support.data.profiled import sessions, write_log
from support.servers.daemon_process import driftline


def test_profile_writes_settings_and_plots_and_one_line_of_json(tmp_path: Path) -> None:
    """The file loads, the plots are there, and the JSON says what is in the file."""
    log = write_log(tmp_path / "log.parquet", sessions(users=40))
    out, folder = tmp_path / "driftline.toml", tmp_path / "plots"
    arguments = ["profile", str(log), "--out", str(out), "--plots", str(folder), "--json"]
    done = driftline(*arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    settings = Settings.load(out)
    assert list(settings.interest.half_lives_s) == found["settings"]["interest"]["half_lives_s"]
    assert found["log"]["events"] == 1000 and found["log"]["clock"]["kind"] == "seconds"
    pngs = [path.read_bytes()[:4] for path in sorted(folder.iterdir())]
    assert pngs == [b"\x89PNG"] * 3 and len(found["plots"]) == 3
    refused = driftline(*arguments)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert driftline("profile", str(log), "--out", str(out), "--force").returncode == 0


def test_profile_shows_tables(tmp_path: Path) -> None:
    """For people: the log, the evidence, the proposal and why."""
    log = write_log(tmp_path / "log.parquet", sessions(users=20))
    done = driftline("profile", str(log))
    assert done.returncode == 0, done.stderr
    for word in ("repeats", "NDCG@10", "half_lives_s", "why"):
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == [log]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots without matplotlib end before the work, with the command that fixes it."""
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"driftline\[plots\]"):
        plots.check_plots()
