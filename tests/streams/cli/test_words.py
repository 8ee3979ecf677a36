"""What commands say to people: whole ids, harmless characters, times with their zone, options that name their choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import driftline

LONG = "item-" + "0123456789" * 9
STEERS = "red\x1b[31m\x07\u202e"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one user who moved from one scenario to another, with an awkward item and title."""
    folder = tmp_path_factory.mktemp("words")
    first = [event("ada", f"g{n % 5}", at=n * 86400.0, scenario="garden") for n in range(30)]
    then = [event("ada", LONG, at=(30 + n) * 86400.0, scenario=STEERS, event_id=f"e{n}") for n in range(8)]
    write_lines(folder / "events.jsonl", [{**row, "action": "click"} for row in [*first, *then]])
    write_lines(folder / "items.jsonl", [{"item_id": LONG, "title": STEERS, "scenario": STEERS}])
    done = driftline(
        "replay", str(folder / "events.jsonl"), "--items", str(folder / "items.jsonl"),
        "--store", str(folder / "store"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "store"


@pytest.mark.parametrize("command", [("explain",), ("recommend", "--mode", "again")])
def test_ids_are_whole_and_harmless(
    store: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal of 60 columns an id of 95 characters wraps, and a title can't colour the screen."""
    monkeypatch.setenv("COLUMNS", "60")
    done = driftline(*command, "ada", "--store", str(store))
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout and "\x07" not in done.stdout and "\u202e" not in done.stdout
    assert "\x1b" not in done.stdout
    rows = [line.split("│") for line in done.stdout.splitlines() if line.startswith("│")]
    columns = ["".join(row[n].strip() for row in rows if n < len(row)) for n in range(8)]
    assert any(LONG in column for column in columns)


def test_explain_begins_with_a_sentence_and_times_have_a_zone(store: Path) -> None:
    """What happened comes before the figures."""
    done = driftline("explain", "ada", "--store", str(store))
    first, second = done.stdout.splitlines()[:2]
    assert first == "ada: moved to red\\x1b[31m\\x07\\u202e: 8 of the last 12 events, since 13 December"
    assert "last event 2023-12-20 22:13:20 UTC" in second


def test_methods_are_listed_without_a_log() -> None:
    """A list of names needs no data; without `list` the missing log is named."""
    listed = driftline("evaluate", "--methods", "list")
    assert listed.returncode == 0 and "popularity" in listed.stdout.split()
    missing = driftline("evaluate")
    assert missing.returncode == 2 and "LOG" in missing.stderr


def test_the_modes_are_choices() -> None:
    """The help names them, and another one is refused with them."""
    assert "new|again|mixed" in "".join(driftline("recommend", "--help").stdout.split())
    refused = driftline("recommend", "ada", "--mode", "old")
    assert refused.returncode == 2 and all(mode in refused.stderr for mode in ("new", "again", "mixed"))
