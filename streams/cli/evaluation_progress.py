"""How far an evaluation is: a bar on a terminal, a line every so often elsewhere; always on standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.cli.console import console

FIRST_LINE_S: Final = 10.0
LINE_EVERY_S: Final = 30.0


@contextmanager
def evaluation_progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """Gives the function that takes a method's name and how many of its test queries are done since the last call.

    total: the queries of all methods and seeds. Fitting and tuning are told by the method's name alone.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("evaluate", total=total)
            yield lambda name, done: bar.update(task, description=name, advance=done)
        return
    lines = _Lines(total)
    ended = threading.Event()

    def say() -> None:
        wait = FIRST_LINE_S
        while not ended.wait(wait):
            console.print(lines.text(), soft_wrap=True)
            wait = LINE_EVERY_S

    speaker = threading.Thread(target=say, name="progress", daemon=True)
    speaker.start()
    try:
        yield lines.advance
    finally:
        ended.set()
        speaker.join()


class _Lines:
    """What there is to say at any time."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._name = "evaluate"
        self._began = time.monotonic()

    def advance(self, name: str, done: int) -> None:
        self._name = name
        self._done += done

    def text(self) -> str:
        return progress_text(self._name, self._done / self._total, time.monotonic() - self._began)


def progress_text(name: str, share: float, seconds: float) -> str:
    """One line of progress; the time that is left is guessed from the time so far.

    >>> progress_text("own+markov", 0.25, 120.0)
    'own+markov: 25 % done, about 6 min left'
    >>> progress_text("driftline", 0.0, 100.0)
    'driftline: 0 % done after 2 min'
    """
    line = f"{name}: {int(100 * share)} % done"
    if not share:
        return f"{line} after {_duration(seconds)}"
    return f"{line}, about {_duration(seconds * (1 - share) / share)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
