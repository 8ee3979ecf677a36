"""Dead letters applied to a store: each is a source of its own, whatever its neighbours of the partition are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.letters.letter import StoredLetter
from streams.repair.letter_redrive import LetterRedrive
from streams.settings import Settings
from streams.topics.config import TopicsConfig
from support.checks.states import states_of
from support.data.event_columns import NOW, event

SOURCE = "cluster/topic/0"


def letter(offset: int) -> StoredLetter:
    """The letter of an event at this offset of one partition."""
    value = event("ada", f"i{offset}", at=float(offset), event_id=f"e{offset}")
    return StoredLetter(
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=b"ada",
        value=json.dumps(value).encode(),
        reason="timestamp_in_future",
        detail="",
        source=SOURCE,
        source_topic="clicks",
        source_partition=0,
        source_offset=offset,
        source_time_ms=None,
        cuts=(),
        headers=(),
    )


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        opened.ingest.advance({SOURCE: 100})  # the daemon has passed them all
        yield opened


@pytest.fixture
def letters(intake: Intake) -> LetterRedrive:
    return LetterRedrive(intake, cluster="cluster", layout=TopicsConfig().layout(), now=NOW)


def events_of(intake: Intake) -> int:
    _, states, _ = states_of(intake.store, intake.workspace.interest)
    return int(states.n_events.sum())


def test_a_letter_between_two_that_were_redriven_is_applied_and_none_twice(
    intake: Intake, letters: LetterRedrive
) -> None:
    """5 and 9, then 7, then all three: each is one event."""
    first = letters.redrive([letter(5), letter(9)])
    assert (first.applied, first.done, first.kept) == (2, 0, [])
    assert letters.redrive([letter(7)]).applied == 1
    again = letters.redrive([letter(5), letter(7), letter(9)])
    assert (again.applied, again.duplicates, again.done) == (0, 0, 3)
    assert events_of(intake) == 3


def test_letters_whose_progress_was_not_raised_are_recognised_by_their_marks(
    intake: Intake, letters: LetterRedrive
) -> None:
    """Killed between the users' write and the letters' progress: run again, they are found inside."""

    class Killed(Exception):
        pass

    def on_step(step: str) -> None:
        if step == "users written":
            raise Killed

    intake.failpoints.on_step = on_step
    with pytest.raises(Killed):
        letters.redrive([letter(5), letter(9)])
    intake.failpoints.on_step = None
    again = letters.redrive([letter(5), letter(7), letter(9)])
    assert (again.applied, again.duplicates) == (1, 2)
    assert events_of(intake) == 3
