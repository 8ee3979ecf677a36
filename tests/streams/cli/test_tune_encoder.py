"""`driftline tune-encoder`, as a user would call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from encoders.tuned.folder import load_words
from support.data.worded import write_worded_log
from support.fakes.tiny_model import save_tiny_model
from support.servers.daemon_process import driftline

SETTINGS = """
[words]
batch = 16
negatives = 8
latest = 3
max_length = 48
validation_targets = 60
learning_rate = 0.01
[log]
level = "error"
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments but for the folder to write."""
    folder = tmp_path_factory.mktemp("worded")
    events, items = write_worded_log(folder)
    save_tiny_model(folder / "base")
    (folder / "driftline.toml").write_text(SETTINGS)
    return [
        "tune-encoder", str(events), "--items", str(items), "--base", str(folder / "base"), "--holdout-share", "0.1",
        "--config", str(folder / "driftline.toml"), "--force", "--steps", "3",
    ]  # fmt: skip


def test_a_tuned_encoder_is_written_and_loads(call: list[str], tmp_path: Path) -> None:
    """One line of JSON says what it is and how good; the folder loads, and TensorBoard's log is there."""
    out, logs = tmp_path / "words", tmp_path / "logs"
    done = driftline(*call, "--out", str(out), "--logs", str(logs), "--method", "dora", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fingerprint"].startswith("words-1-") and found["method"] == "dora" and found["steps"] == 3
    assert set(found["holdout"]) == {"precision", "recall", "f1", "auc"}
    assert load_words(out).tower.width == 32
    assert any(logs.glob("events.out.tfevents*"))
    assert not [path for path in tmp_path.iterdir() if path not in (out, logs)]


def test_what_can_t_be_is_refused_before_the_work(call: list[str], tmp_path: Path) -> None:
    """A folder that holds something else, and a base that there is none of; nothing is written."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    done = driftline(*call, "--out", str(tmp_path / "mine"))
    assert done.returncode == 1 and "other than a tuned encoder" in done.stderr
    done = driftline(*call, "--out", str(tmp_path / "words"), "--base", str(tmp_path / "none"))
    assert done.returncode == 2 and "neither" in done.stderr and not (tmp_path / "words").exists()
