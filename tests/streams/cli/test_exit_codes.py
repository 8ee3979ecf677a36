"""Exit codes 0, 1, 2 and 130, and what is left behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import QUICK, driftline, program

LOG = "events.jsonl"
NOWHERE = "127.0.0.1:9"
SMALL = {
    "DRIFTLINE_INTEREST__DIM": "16",
    "DRIFTLINE_ENCODER__DIM": "16",
    "DRIFTLINE_INTEREST__HALF_LIVES_S": "60,3600",
    "DRIFTLINE_TRAIN__WIDTH": "8",
    "DRIFTLINE_TRAIN__HEADS": "1",
    "DRIFTLINE_TRAIN__EPOCHS": "2000",
    "DRIFTLINE_TRAIN__PATIENCE": "2000",
    "DRIFTLINE_TRAIN__THREADS": "1",
}

WRONG_USAGE = {
    "no such option": ("replay", LOG, "--stoer", "s"),
    "no such command": ("repaly", LOG),
    "no argument": ("replay", "--store", "s"),
    "no store": ("replay", LOG),
    "a store that is an address": ("replay", LOG, "--store", "qdrant:6333"),
    "a store with a password": ("items", LOG, "--store", "http://u:hunter2@h:6333"),
    "a wrong mapping": ("replay", LOG, "--store", "s", "--map", "nonsense"),
    "an output that exists": ("replay", LOG, "--store", "s", "--manifest", LOG),
    "an output that is a folder": ("replay", LOG, "--store", "s", "--rejects", "."),
    "a form that is none": ("export", "--store", "s", "--out", "x.txt"),
    "fit over something": ("fit", LOG, "--out", "full"),
    "train over something": ("train", LOG, "--out", "full"),
    "train over a file": ("train", LOG, "--out", LOG),
    "tune over something": ("tune", LOG, "--out", LOG),
    "profile over something": ("profile", LOG, "--out", LOG),
    "plots over something": ("profile", LOG, "--plots", "full"),
    "a report over something": ("evaluate", LOG, "--report", "full"),
    "a method that is none": ("evaluate", LOG, "--methods", "magic"),
    "a manifest over something": ("manifest", "--store", "s", "--out", LOG),
    "a broker with a password": ("redrive", LOG, "--broker", "u:hunter2@h"),
    "a rate below any": ("simulate", "--rate", "0"),
    "a port that is none": ("broker", "--port", "70000"),
    "a mode that is none": ("recommend", "u", "--store", "s", "--mode", "x"),
    "run without a store": ("run",),
    "a model that is none": ("replay", LOG, "--store", "s", "--config", "transfer.toml"),
    "an encoder that is none": ("replay", LOG, "--store", "s", "--config", "fitted.toml"),
    "a model of text that is none": ("replay", LOG, "--store", "s", "--config", "model.toml"),
}

FAILED = {
    "a folder that is no model": ("replay", LOG, "--store", "s", "--config", "damaged.toml"),
    "a catalogue without an item": ("items", "empty.jsonl", "--store", "s"),
    "an empty catalogue before a log": ("replay", LOG, "--items", "empty.jsonl", "--store", "s"),
    "a log that is none": ("replay", "none.jsonl", "--store", "s"),
    "a column that lacks": ("replay", "other.jsonl", "--store", "s"),
    "a catalogue that is none": ("items", "none.jsonl", "--store", "s"),
    "every row rejected": ("replay", "rejected.jsonl", "--store", "s"),
    "a store that is a file": ("replay", LOG, "--store", LOG),
    "a store that is something else": ("replay", LOG, "--store", "full"),
    "no store there": ("recommend", "u", "--store", "s"),
    "no store to export": ("export", "--store", "s", "--out", "x.csv"),
    "no store to rebuild": ("rebuild", "analytic", "--store", "s"),
    "no broker there": ("redrive", LOG, "--broker", NOWHERE),
    "no broker to simulate": ("simulate", "--broker", NOWHERE),
    "no server there": ("replay", LOG, "--store", f"http://{NOWHERE}"),
    "train on nothing": ("train", "rejected.jsonl", "--out", "m"),
    "fit on nothing": ("fit", "rejected.jsonl", "--out", "e"),
    "evaluate nothing": ("evaluate", "rejected.jsonl", "--report", "r"),
    "profile nothing": ("profile", "rejected.jsonl", "--out", "p.toml"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user works: a log, one of other columns, one of which no row is an event, a folder of something else."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            **event(f"u{n % 20}", f"i{n % 30}", at=n * 60.0, scenario="fruit", event_id=f"e{n}"),
            "action": "click",
        }
        for n in range(400)
    ]
    write_lines(tmp_path / LOG, rows)
    write_lines(tmp_path / "other.jsonl", [{"a": 1}])
    write_lines(tmp_path / "rejected.jsonl", [{**row, "action": "zz"} for row in rows])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "model.toml").write_text('[encoder]\nmodel = "none"\n')
    (tmp_path / "transfer.toml").write_text('[transfer]\nmodel = "none"\n')
    (tmp_path / "damaged.toml").write_text('[transfer]\nmodel = "full"\n')
    write_lines(tmp_path / "empty.jsonl", [{"item_id": "", "title": "x"}])
    (tmp_path / "fitted.toml").write_text('[encoder]\nfitted = "none"\n')
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("case", [*WRONG_USAGE, *FAILED])
def test_a_failure_says_so_in_its_code_and_leaves_nothing(folder: Path, case: str) -> None:
    """2 for what is written wrongly, 1 for what fails; no traceback, and the folder is as it was."""
    before = contents(folder)
    done = driftline(*(WRONG_USAGE.get(case) or FAILED[case]))
    assert done.returncode == (2 if case in WRONG_USAGE else 1), done.stderr
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr
    assert contents(folder) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_is_interrupted_like_everything_else(
    folder: Path, number: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """130, one line, and neither a model nor a part of one; also while the network is trained."""
    before = contents(folder)
    scratch = tmp_path_factory.mktemp("scratch")
    process = subprocess.Popen(
        [str(program()), "train", LOG, "--out", "new/model", "--force"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **QUICK, **SMALL, "TMPDIR": str(scratch)},
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "epoch 1" in line:
            break
    process.send_signal(number)
    said += process.stderr.read()
    assert process.wait(60) == 130, said
    assert "interrupted" in said and "Traceback" not in said
    assert contents(folder) == before
    # A cache of torch may stay, with nothing of the log in it.
    assert not [path for path in scratch.iterdir() if not path.name.startswith("torch")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", LOG, "--store", "s"),
        ("items", LOG, "--store", "s"),
        ("fit", LOG, "--out", "e"),
        ("profile", LOG, "--out", "p.toml"),
        ("evaluate", LOG, "--report", "r"),
        ("redrive", LOG, "--broker", NOWHERE),
    ],
)
@pytest.mark.parametrize("after_s", [0.05, 1.0])
def test_an_interruption_at_any_time_is_130(folder: Path, arguments: tuple[str, ...], after_s: float) -> None:
    """From the first moment, while modules are read, on: no traceback, and no half of an output."""
    process = subprocess.Popen(
        [str(program()), *arguments], stderr=subprocess.PIPE, text=True, env={**os.environ, **QUICK}
    )
    while process.poll() is None and not catches(process.pid, signal.SIGTERM):
        time.sleep(0.01)  # Python itself is starting
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT, 0, 1), said
    if process.returncode not in (0, 1):
        assert "Traceback" not in said
    assert not [path for path in folder.rglob("*") if "partial" in path.name]
