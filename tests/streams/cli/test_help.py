"""What `driftline --help` shows, and what a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.commands import app

PANELS = ("Try it", "Fill a store", "Learn from a log", "Read a store", "Look after it")
COMPLETE = """
eval "$(driftline --show-completion)"
COMP_WORDS=({line})
COMP_CWORD={word}
_driftline_completion driftline
echo "${{COMPREPLY[@]}}"
"""


def test_commands_are_grouped_by_life_cycle() -> None:
    """Five groups, in the order in which a store lives; no command stands outside of them."""
    shown = CliRunner().invoke(app, ["--help"]).output
    places = [shown.index(panel) for panel in PANELS]
    assert places == sorted(places)
    assert "─ Commands ─" not in shown


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("driftline rep", {"replay", "repair"}),
        ("driftline dead-letters re", {"redrive"}),
        ("driftline recommend --exc", {"--exclude-seen"}),
    ],
)
def test_bash_completes_commands_and_options(line: str, completed: set[str]) -> None:
    """After `driftline --install-completion` a bash completes commands, subcommands and options."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = COMPLETE.format(line=line, word=len(line.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert set(done.stdout.split()) == completed, done.stderr
