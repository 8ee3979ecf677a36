"""driftline evaluate, as its users call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import QUICK, driftline, program


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Thirty users who come back to a few items."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    rows = [
        event(
            f"u{n % 30}", f"i{(n * n + n % 30 * 5) % 23}", at=n * 60.0, scenario=f"s{n % 2}", action="click"
        )
        for n in range(1200)
    ]
    write_lines(path, rows)
    return path


def test_evaluate_judges_side_by_side(log, tmp_path):
    """JSON has every method on every task, a table goes to people, a report to its folder."""
    asked = ["evaluate", str(log), "--methods", "popularity,own", "--task", "both", "--force"]
    done = driftline(*asked, "--json", "--report", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["tasks"]) == {"open", "given"}
    assert list(found["tasks"]["open"]["methods"]) == ["popularity", "own"]
    assert (tmp_path / "report" / "report.md").exists()
    shown = driftline(*asked, "--split", "last")
    assert shown.returncode == 0, shown.stderr
    assert "own - popularity" in shown.stdout and "NDCG@10" in shown.stdout


def test_wrong_methods_and_short_logs_are_told(log):
    """One line that says what to do; exit code 2 for wrong usage."""
    done = driftline("evaluate", str(log), "--methods", "owm")
    assert done.returncode == 2 and "choose from popularity" in done.stderr
    short = driftline("evaluate", str(log), "--methods", "own")
    assert (
        short.returncode == 1 and "validation part of the time split has 120 of 1,200 events" in short.stderr
    )
    assert "--validation-share" in short.stderr and "--force" in short.stderr
    assert "popularity-7d" in driftline("evaluate", str(log), "--methods", "list").stdout
    assert "Example" in driftline("evaluate", "--help").stdout


def test_a_model_or_an_encoder_that_no_method_would_use_is_refused(log, tmp_path):
    """What is given and not judged is told before any work."""
    alone = driftline("evaluate", str(log), "--encoder", str(tmp_path))
    assert alone.returncode == 2 and "give --model too" in alone.stderr
    unused = driftline("evaluate", str(log), "--model", str(tmp_path), "--methods", "own,popularity")
    assert unused.returncode == 2 and "--methods does not name" in unused.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_stopped_goes_on(log, tmp_path, number):
    """What is done when the process is killed stays done; another split is refused by name; a method that fails makes it 1."""
    asked = ["evaluate", str(log), "--force", "--json", "--methods", "popularity,sasrec,content"]
    report, kept = tmp_path / "report", tmp_path / "report" / "results"
    done = kept / "popularity.0.open.npz"
    process = subprocess.Popen(
        [str(program()), *asked, "--report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **QUICK},
    )
    while process.poll() is None and not done.exists():
        time.sleep(0.01)
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), said
    assert number == signal.SIGKILL or (f"--resume {kept}" in said and list(json.loads(out)["tasks"]))
    before = done.read_bytes(), done.stat().st_mtime_ns
    asked[-1] = "popularity,own,content"
    other = driftline(*asked, "--resume", str(kept), "--split", "last")
    assert other.returncode == 1 and 'split ("time" there, "last" now)' in other.stderr
    again = driftline(*asked, "--report", str(report), "--resume", str(kept))
    assert again.returncode == 1 and "1 of 3 methods failed: content" in again.stderr
    found = json.loads(again.stdout)
    assert list(found["tasks"]["open"]["methods"]) == ["popularity", "own"] and "content" in found["failed"]
    assert (report / "report.md").exists() and before == (done.read_bytes(), done.stat().st_mtime_ns)
