"""Dead letters applied to a store: each is a source of its own, whatever its neighbours of the partition are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.letters.letter import StoredLetter
from streams.repair.letter_redrive import LetterRedrive
from streams.settings import Settings
from streams.topics.config import TopicsConfig
from support.checks.states import states_of
from support.data.event_columns import NOW, event

SOURCE = "cluster/topic/0"


def letter(offset: int, **changes: Any) -> StoredLetter:
    """The letter of an event at this offset of one partition."""
    value = event("ada", f"i{offset}", at=float(offset), event_id=f"e{offset}")
    made = StoredLetter(
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
    return replace(made, **changes)


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


def test_letters_are_read_as_their_topics_are(tmp_path: Path) -> None:
    """A letter keeps the record as it was, and is taken out of its envelope by the settings of today; a key that was cut and
    is the user's id is not taken for it."""
    slot = {
        "topic": "orders",
        "action": "purchase",
        "description": {
            "envelope": "debezium",
            "user_id": "@key",
            "timestamp": "@timestamp",
            "item_id": "sku",
        },
    }
    settings = Settings.model_validate({"topics": {"events": {"orders": slot}}})
    row = {"sku": "i1", "scenario": "shop"}

    def of(offset: int, op: str, **changes: Any) -> StoredLetter:
        value = json.dumps({"before": None, "after": row if op != "d" else None, "op": op}).encode()
        said = {
            "source_topic": "orders",
            "value": value,
            "key": b'{"customer": 7}',
            "source_time_ms": int(NOW) * 1000,
        }
        return letter(offset, **{**said, **changes})

    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        intake.ingest.advance({SOURCE: 100})
        redriving = LetterRedrive(intake, cluster="cluster", layout=settings.topics.layout(), now=NOW)
        given = [
            of(1, "c"),
            of(2, "d"),
            of(3, "c", cuts=("truncated-key",)),
            of(4, "c", source_topic="gone"),
            of(5, "x"),
        ]
        done = redriving.redrive(given)
        assert done.applied == 1
        kept = {each.letter.source_offset: each.reason for each in done.kept}
        assert kept == {2: "operation_refused", 3: "truncated", 4: "unknown_topic", 5: "operation_refused"}
        (columns,) = redriving.decoded([given[0], given[1]])
        assert columns.users == ["7"]
