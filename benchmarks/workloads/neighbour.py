"""A busy neighbour, and processes of their own for what the libraries read once: what a machine is like that is never idle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.thread_policy import ASLEEP, let_waiting_threads_sleep

FOLDER = Path(__file__).parents[2]
MOST_RATIO = 1.3
"""Beside a busy process work may take this much longer than an idle machine takes for it with the cores that are left."""


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_left() -> int:
    """Cores that one busy process leaves: the fair share. On one core it is half of it, which no number of threads is."""
    return max(1, cores() - 1)


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that never waits, within it."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measured(program: str, arguments: Sequence[str], *, asleep: bool) -> dict[str, Any]:
    """The line of JSON that a fresh process of a benchmark prints. asleep: its threads wait as ours do; else as the libraries
    come, spinning."""
    environment = {name: value for name, value in os.environ.items() if name not in ASLEEP}
    if asleep:
        let_waiting_threads_sleep(environment)
    environment["PYTHONPATH"] = str(FOLDER)
    done = subprocess.run(
        [sys.executable, program, *arguments], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
