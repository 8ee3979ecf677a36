"""How far a command is: a bar on a terminal, a line now and then elsewhere, nothing for machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from streams.cli.console import console

LINE_EVERY_S: Final = 10.0
LEAST_FOR_LINES: Final = 1000
"""Less work than that is done before anybody asks."""


class _Done(ProgressColumn):
    """1,024/20,768"""

    def render(self, task: Task) -> Text:
        return Text(_done(int(task.completed), None if task.total is None else int(task.total)))


@contextmanager
def progress_bar(
    what: str, total: int | None, quiet: bool = False, *, slow: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show on standard error how much of `total` is done, from now on; gives the function that adds to it.

    slow: much time may pass before the first step, so that a line says at once what is about to be done.
    """
    if quiet:
        yield lambda done: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            _Done(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)
    else:
        with _lines(what, total, slow) as advance:
            yield advance


@contextmanager
def _lines(what: str, total: int | None, slow: bool) -> Iterator[Callable[[int], None]]:
    reached, shown = 0, -1  # -1: nothing was said yet
    said_at = time.monotonic()

    def say() -> None:
        nonlocal said_at, shown
        console.print(f"{what} {_done(reached, total)}")
        said_at, shown = time.monotonic(), reached

    def advance(done: int) -> None:
        nonlocal reached
        reached += done
        if time.monotonic() - said_at >= LINE_EVERY_S:
            say()

    if slow and total is not None and total >= LEAST_FOR_LINES:
        say()
    yield advance
    if shown not in (-1, reached):
        say()


def _done(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,}/{total:,}"
