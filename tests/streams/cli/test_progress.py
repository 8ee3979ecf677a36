"""How far a command is, for people at a terminal, for logs and for machines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streams.cli import progress
from streams.cli.progress import progress_bar


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, bool]:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=stream, force_terminal=request.param, width=100))
    return stream, request.param


def test_what_is_done_is_told_from_the_start(told: tuple[io.StringIO, bool]) -> None:
    """A bar, or a line at once and another at the end, with thousands set apart."""
    stream, is_terminal = told
    with progress_bar("encoding texts", 20_768, slow=True) as advance:
        if not is_terminal:
            assert stream.getvalue() == "encoding texts 0/20,768\n"
        advance(1000)
        advance(24)
    assert "encoding texts" in stream.getvalue() and "1,024/20,768" in stream.getvalue()


def test_lines_come_now_and_then(told: tuple[io.StringIO, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gets a line every few seconds, however small the steps, and none of what is done at once."""
    stream, is_terminal = told
    if is_terminal:
        return
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress_bar("replaying", 100_000) as advance:
        for _ in range(200):
            now[0] += 0.125
            advance(125)
    assert stream.getvalue().split("\n")[:-1] == [
        f"replaying {n:,}/100,000" for n in (10_000, 20_000, 25_000)
    ]
    stream.truncate(0)
    with progress_bar("replaying", 100_000) as advance:
        advance(100_000)
    assert stream.getvalue().strip("\0") == ""


def test_machines_are_told_nothing(told: tuple[io.StringIO, bool]) -> None:
    """Where the output is JSON, standard error stays free of progress."""
    with progress_bar("encoding texts", 20_768, quiet=True, slow=True) as advance:
        advance(20_768)
    assert told[0].getvalue() == ""
