"""Consents by a topic of their own: as exact as those of the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sinks.writer import FORGOTTEN, LOST
from streams.ingest.intake import Intake, open_intake
from streams.privacy.forget import forget_users
from streams.settings import Settings
from streams.topics.slot import CONSENTS_SLOT
from streams.worker.batch import LaneBatch
from support.data.event_columns import NOW, event
from support.data.fetched import Fetched
from support.data.replayed import counts_of
from support.fakes.lane_story import Worker, batch, in_lanes


@pytest.fixture
def intake(tmp_path: Path) -> Any:
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def consents(*records: dict[str, Any] | bytes | None, first: int = 0) -> LaneBatch:
    values = [json.dumps(one).encode() if isinstance(one, dict) else one for one in records]
    fetched = [Fetched(value, first + n, topic="consents") for n, value in enumerate(values)]
    return LaneBatch(CONSENTS_SLOT, "consents", 0, fetched)


def test_a_consent_record_lets_the_user_begin_again(intake: Intake) -> None:
    """Events that come with it or after it apply if they are later; repeated, late and wrong records change nothing, and the
    wrong ones become dead letters."""
    forgotten_at = NOW - 80_000

    async def story(worker: Worker) -> None:
        await worker.through(batch(event("ada"), event("bob")))
        forget_users(intake.store, ["ada", "eve"], forgotten_at)
        intake.ingest.cache.forget(["ada", "eve"])  # a folder has one process: this is another one
        await worker.through(batch(event("ada", at=9_000.0), first=10))
        early = {"user_id": "eve", "timestamp": forgotten_at - 1}
        good = {"user_id": "ada", "timestamp": forgotten_at + 10.5, "by": "form 7"}
        wrong = [
            b"{nope",
            None,
            {"user_id": "ada"},
            {"user_id": " ", "timestamp": 5},
            {"user_id": "x", "timestamp": NOW * 2},
        ]
        await worker.through(consents(early, good, *wrong))
        await worker.through(consents(good, {**good, "timestamp": forgotten_at + 5_000}, first=7))
        at = forgotten_at + 10.5 - (NOW - 86_400)
        await worker.through(
            batch(
                event("ada", "x", at=at), event("ada", "y", at=at + 0.5), event("eve", at=80_000.0), first=20
            )
        )
        reasons = [dict(letter["headers"])["reason"] for letter in worker.producer.sent]
        assert reasons == [
            b"not_json",
            b"empty_record",
            b"missing_field",
            b"empty_user_id",
            b"timestamp_in_future",
        ]

    in_lanes(intake, story)
    assert counts_of(intake) == {"ada": 1, "bob": 1}
    holds = intake.store.users.claim(["ada", "bob", "eve"]).holds
    assert holds[2] == FORGOTTEN and LOST not in holds


def test_no_topic_of_consents_is_read_unless_it_is_named() -> None:
    """topics.consents names it; it is no topic of events, and no pattern takes it."""
    assert "consents" not in Settings().topics.layout().named
    settings = Settings.model_validate(
        {
            "topics": {
                "consents": "agreed",
                "prefix": "p-",
                "events": {"all": {"pattern": ".*", "rest": True}},
            }
        }
    )
    layout = settings.topics.layout()
    assert layout.slot_of("p-agreed") == CONSENTS_SLOT
    assert "p-agreed" in layout.required and "p-agreed" not in layout.events
