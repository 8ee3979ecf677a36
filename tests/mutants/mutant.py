"""A mutant: a changed copy of the code that the tests have to notice, and the run that shows whether they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
LIMIT_S: Final = 240.0
"""Many times what the tests of a mutant take."""
BASELINE_S: Final = 1200.0
"""For all tests that any mutant names, on the code as it is."""


class Stale(Exception):
    """The code is no longer what the mutant changes."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file, and the tests that must fail by it."""

    name: str
    """the fault that the change makes, in words"""
    file: str
    before: str
    """stands in the file exactly once"""
    after: str
    tests: tuple[str, ...]
    """pytest ids; at least one has to fail"""
    hangs: bool = False
    """the fault shows in tests that never end; else no end in time says only that the machine is slow"""

    def changed(self, root: Path) -> str:
        """The file's text with the change.

        Raises:
            Stale: what it changes is not there, or there more than once.
        """
        text = (root / self.file).read_text()
        if text.count(self.before) != 1:
            raise Stale(f"{self.file} has {text.count(self.before)} places like:\n{self.before}")
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    name: str
    outcome: str
    """killed, survived, or timeout, stale and broken where the run says nothing"""
    by: str
    """the test that failed, or why there is none"""
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether a test noticed."""
        return self.outcome == "killed"


def judge(mutant: Mutant, root: Path, limit_s: float = LIMIT_S) -> Verdict:
    """Apply the mutant to the copy of the repository in `root`, run its tests, put the file back."""
    began = time.monotonic()
    file = root / mutant.file
    original = file.read_text()
    try:
        file.write_text(mutant.changed(root))
        outcome, by = _run(mutant.tests, root, limit_s)
        if outcome == "timeout" and mutant.hangs:
            outcome = "killed"
    except Stale as stale:
        outcome, by = "stale", str(stale).splitlines()[0]
    finally:
        file.write_text(original)
    return Verdict(mutant.name, outcome, by, round(time.monotonic() - began, 1))


def passes(tests: tuple[str, ...], root: Path) -> str | None:
    """Whether the tests pass on the copy as it is; else what they said."""
    outcome, by = _run(tests, root, BASELINE_S)
    return None if outcome == "survived" else f"{outcome}: {by}"


def _run(tests: tuple[str, ...], root: Path, limit_s: float) -> tuple[str, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        # The copy lies elsewhere; what the tests find beside the repository, they are told.
        "KAFKA_HOME": os.environ.get("KAFKA_HOME", str(REPOSITORY.parent / "shared" / "kafka")),
    }
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that what its tests started ends with it
    ) as running:
        try:
            output, _ = running.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return "timeout", f"no end within {limit_s:g} s"
    failed = [line.split(" ")[1] for line in output.splitlines() if line.startswith("FAILED ")]
    if running.returncode == 1 and failed:
        return "killed", failed[0].rpartition("::")[2]
    if running.returncode == 0:
        return "survived", ", ".join(tests)
    return "broken", output.strip().splitlines()[-1] if output.strip() else f"exit code {running.returncode}"
