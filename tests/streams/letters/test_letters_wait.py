"""A dead letter that nobody takes holds up its own partition only, and not the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.data.event_columns import event
from support.fakes.lane_story import Worker, batch, in_lanes
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server


def test_partitions_whose_letters_wait_hold_up_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    """With as many waiting as there are threads: others are written and marked, a stop takes seconds, and what waited is
    neither marked nor written."""
    stuck = [batch(event(f"u{n}", "a"), b"{nope", partition=n) for n in range(3)]
    good = batch(event("eve", "a"), partition=7)

    async def story(worker: Worker) -> None:
        for each in stuck:
            assert await worker.lanes.submit(each)
        await worker.until(lambda: len(worker.producer.sent) == 3)
        await worker.through(good)
        began = time.monotonic()
        await worker.lanes.close()
        assert time.monotonic() - began < 6
        assert worker.lanes.failure is None
        assert worker.group.marked == [good]

    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as intake,
    ):
        in_lanes(intake, story, open_gate=False)
        assert [user for user in intake.store.users.read(["u0", "u1", "u2"]) if user is not None] == []


def test_letters_of_a_flush_are_sent_once_whatever_the_store_does(tmp_path: Path) -> None:
    """A store that fails again and again after the letters were sent does not have them sent again."""

    async def story(worker: Worker) -> None:
        server.fail_next(4, method="Upsert")
        await worker.through(batch(event("ada", "a"), b"{nope", event("ben", "b")))
        assert len(worker.producer.sent) == 1

    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as intake,
    ):
        in_lanes(intake, story)
        assert _retries(intake) >= 1


def _retries(intake: Any) -> float:
    found: float = intake.metrics.store_retries._value.get()
    return found
