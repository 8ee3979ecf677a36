"""A user whose state can't be read: its events are parked, and nobody else's wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinks.points import user_point_id
from streams.errors import DaemonError
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.data.damaged import damage
from support.data.event_columns import event
from support.fakes.lane_story import Worker, batch, in_lanes
from support.qdrant_server import QdrantServer
from transfer.config import STATE_VERSION
from transfer.state.layout import PREFIX

USERS = [f"u{n}" for n in range(200)]


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "s")
        return
    with QdrantServer(tmp_path / "q") as server:
        yield server.url


def opened(location: str, **flags: object) -> Intake:
    return open_intake(location, Settings.load(flags={"daemon": flags}), create=True)


def begun(location: str) -> None:
    """One event of each user is in the store."""

    async def story(worker: Worker) -> None:
        await worker.through(batch(*[event(user, "i1", event_id=user) for user in USERS]))

    with opened(location) as intake:
        in_lanes(intake, story)


def test_a_hundred_damaged_users_in_a_flush_are_parked_and_the_others_applied(location: str) -> None:
    """The lane continues; each event of a damaged user is a letter of its own, sent once; the rest is in the store, marked."""
    begun(location)
    damaged = USERS[50:170]
    with opened(location) as intake:
        damage(intake, *damaged)

    async def story(worker: Worker) -> None:
        for number in (1, 2):
            first = number * len(USERS)
            await worker.through(
                batch(
                    *[event(user, f"i{number}", at=number, event_id=f"{user}-{number}") for user in USERS],
                    first=first,
                )
            )
        sent = [dict(letter["headers"]) for letter in worker.producer.sent]
        assert {headers["reason"] for headers in sent} == {b"user_quarantined"}
        offsets = [int(headers["source-offset"]) for headers in sent]
        assert sorted(offsets) == [number * 200 + n for number in (1, 2) for n in range(50, 170)]

    with opened(location) as intake:
        in_lanes(intake, story)
        value = intake.metrics.registry.get_sample_value
        assert value("driftline_events_total", {"topic": "clicks", "outcome": "applied"}) == 160
        assert value("driftline_events_total", {"topic": "clicks", "outcome": "parked"}) == 240
        assert value("driftline_quarantined_users") == 120
        assert {entry.point for entry in intake.quarantine.all()} == set(map(user_point_id, damaged))
    with opened(location) as intake:
        assert len(intake.quarantine.all()) == 120, "a restart knows them"


def test_too_many_damaged_users_end_the_lane(location: str) -> None:
    """Above max_quarantined_users the store is at fault: nothing is rejected or parked."""
    begun(location)
    with opened(location) as intake:
        damage(intake, *USERS[:20])

    async def story(worker: Worker) -> None:
        with pytest.raises(DaemonError, match="20 users"):
            await worker.through(batch(*[event(user, "i2", at=1) for user in USERS], first=200))
        assert worker.producer.sent == []

    with opened(location, max_quarantined_users=19) as intake:
        in_lanes(intake, story, max_quarantined_users=19)


def test_states_of_a_newer_release_end_the_lane_and_cost_no_event(tmp_path: Path) -> None:
    """Nothing is rejected, parked or put in quarantine: the text says to start the newer release."""
    location = str(tmp_path / "s")
    begun(location)
    with opened(location) as intake:
        damage(intake, *USERS[:80], change=newer)

    async def story(worker: Worker) -> None:
        with pytest.raises(DaemonError, match="newer release") as caught:
            await worker.through(batch(*[event(user, "i2", at=1) for user in USERS[:80]], first=200))
        assert "Start that release" in str(caught.value)
        assert worker.producer.sent == [] and worker.group.marked == []

    with opened(location) as intake:
        in_lanes(intake, story)
        assert intake.quarantine.all() == []


def newer(state: bytes) -> bytes:
    prefix = np.frombuffer(state, PREFIX, count=1).copy()
    prefix["version"] = STATE_VERSION + 1
    return prefix.tobytes() + state[PREFIX.itemsize :]


def test_logs_and_letters_of_parked_events_name_no_user(
    location: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log tells the id of the point, never the user's."""
    begun(location)
    with opened(location) as intake:
        damage(intake, "u7")

    async def story(worker: Worker) -> None:
        await worker.through(batch(event("u7", "i2", at=1), first=200))
        (letter,) = worker.producer.sent
        assert all(b"u7" not in content for _, content in letter["headers"])

    with opened(location) as intake:
        in_lanes(intake, story)
    told = capsys.readouterr()
    assert user_point_id("u7") in told.out + told.err
    assert "u7 " not in told.out + told.err and '"u7"' not in told.out + told.err
