"""A lane: joined flushes, dead letters before the write, retries, poison, an orderly end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sinks.points import item_key
from streams.errors import DaemonError
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.checks.states import done_of
from support.data.damaged import damage
from support.data.event_columns import event
from support.fakes.lane_story import ITEMS, Worker, batch, in_lanes
from support.qdrant_server import QdrantServer


@pytest.fixture
def intake(tmp_path: Path) -> Any:
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def test_a_batch_is_marked_after_its_user_is_in_the_store(intake: Intake) -> None:
    """What is marked may be committed."""

    async def story(worker: Worker) -> None:
        await worker.through(batch(event("ada", "a")))
        assert intake.store.users.read(["ada"])[0] is not None

    in_lanes(intake, story)


def test_batches_that_wait_are_one_flush_and_a_user_is_written_once(intake: Intake) -> None:
    """Within the latency budget several fetches join, so a hot user costs one write."""

    async def story(worker: Worker) -> None:
        await worker.through(*[batch(event("ada", f"i{n}"), first=n) for n in range(5)])

    in_lanes(intake, story, linger_s=0.3)
    assert intake.metrics.users_written._value.get() == 1


def test_batches_are_marked_in_order(intake: Intake) -> None:
    """An offset is never marked before those below it."""

    async def story(worker: Worker) -> None:
        batches = [batch(event("ada", f"i{n}"), first=n) for n in range(30)]
        await worker.through(*batches)
        assert worker.group.marked == batches

    in_lanes(intake, story, linger_s=0.0)


def test_a_record_waits_no_longer_than_the_latency_budget(intake: Intake) -> None:
    """Without company a flush begins after `linger_s`, not before, and not much later."""

    async def story(worker: Worker) -> None:
        await worker.through(batch(event("ada", "a")))  # the first loads what is needed
        began = asyncio.get_running_loop().time()
        await worker.through(batch(event("ada", "b"), first=1))
        assert 0.2 <= asyncio.get_running_loop().time() - began < 2.0

    in_lanes(intake, story, linger_s=0.2)


def test_flushes_are_sized_by_time(intake: Intake) -> None:
    """What waits is cut so that a flush takes about `flush_s`, however many events that are."""

    async def story(worker: Worker) -> None:
        # The first batch teaches the lane how long an event takes.
        await worker.through(batch(*[event(f"u{n}", "a") for n in range(500)]))
        await worker.through(
            *[batch(*[event(f"u{n}", "b") for n in range(500)], first=500 * k) for k in range(1, 5)]
        )

    in_lanes(intake, story, linger_s=0.05, flush_s=1e-3)
    flushes = intake.metrics.registry.get_sample_value("driftline_batch_events_count")
    assert flushes == 5, "a flush of more than one batch takes longer than flush_s"


def test_a_dead_letter_is_acknowledged_before_anything_is_written(intake: Intake) -> None:
    """The offset can't move past a bad record that the dead-letter topic does not have."""

    async def story(worker: Worker) -> None:
        mixed = batch(b"{nope", event("ada", "a"))
        assert await worker.lanes.submit(mixed)
        await worker.until(lambda: worker.producer.sent)
        await asyncio.sleep(0.1)
        assert not worker.group.marked and intake.store.users.read(["ada"]) == [None]
        worker.producer.gate.set()
        await worker.until(lambda: worker.group.marked)
        assert intake.store.users.read(["ada"])[0] is not None
        assert worker.producer.sent[0]["value"] == b"{nope"

    in_lanes(intake, story, open_gate=False)


def test_items_are_applied_before_the_events_beside_them(intake: Intake) -> None:
    """An event that is flushed with its item's arrival uses the item's content."""

    async def story(worker: Worker) -> None:
        row = {"item_id": "g", "title": "Red grapes", "scenario": "fruit"}
        await worker.through(batch(event("ada", "g")), batch(row, kind=ITEMS))
        (ada,) = intake.store.users.read(["ada"], with_vectors=True)
        (grapes,) = intake.store.items.read([item_key("g")], with_vectors=True)
        assert ada is not None and grapes is not None and ada.fused is not None and grapes.vector is not None
        assert float(ada.fused @ grapes.vector) > 0.999

    in_lanes(intake, story, linger_s=0.3)


def test_an_event_of_a_damaged_user_is_parked_and_its_neighbours_are_applied(
    tmp_path: Path,
) -> None:
    """A user whose stored state is damaged costs his own events, with their bytes and positions, and nobody else's."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:

        async def before(worker: Worker) -> None:
            await worker.through(batch(*[event(f"u{n}", "a") for n in range(40)]))

        in_lanes(intake, before)
        damage(intake, "u7", "u23")

        async def story(worker: Worker) -> None:
            await worker.through(batch(*[event(f"u{n}", "b", at=1) for n in range(40)], first=40))
            letters = {dict(sent["headers"])["source-offset"]: sent for sent in worker.producer.sent}
            assert sorted(letters) == [b"47", b"63"]
            assert all(dict(sent["headers"])["reason"] == b"user_quarantined" for sent in letters.values())
            assert b'"u23"' in letters[b"63"]["value"]
            assert not any(b"u23" in value for _, value in letters[b"63"]["headers"])

        in_lanes(intake, story)
        for n in (0, 6, 8, 22, 24, 39):
            (record,) = intake.store.users.read([f"u{n}"])
            assert record is not None and list(record.watermarks.values()) == [40 + n]
        parked = intake.metrics.events.labels("clicks", "parked")._value.get()
        applied = intake.metrics.events.labels("clicks", "applied")._value.get()
        assert (parked, applied) == (2, 78)


def test_an_error_of_the_store_ends_the_lane(intake: Intake) -> None:
    """What the lane can't handle is not skipped: it ends the daemon, and nothing is marked."""

    async def story(worker: Worker) -> None:
        intake.store.close()
        with pytest.raises(Exception, match="closed"):
            await worker.through(batch(event("ada", "a")))
        assert not worker.group.marked

    in_lanes(intake, story)


def test_the_series_do_not_grow_with_users_items_and_scenarios(intake: Intake) -> None:
    """Labels are bounded sets: more users, items and kinds of garbage add no series, and no id is in any of them."""

    def series() -> set[str]:
        text = intake.metrics.exposition().decode()
        return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}

    async def story(worker: Worker) -> None:
        seen: list[set[str]] = []
        for part in range(2):
            mixed = [
                event(f"ada{part}{n}", f"sku{n}", scenario=f"shelf{part}{n}", text="red") for n in range(50)
            ]
            await worker.through(batch(*mixed, b"{nope%d" % part, first=100 * part))
            await worker.through(batch({"item_id": f"sku{part}", "title": "Red"}, kind=ITEMS))
            seen.append(series())
        assert seen[0] == seen[1]
        assert not any(word in line for line in seen[1] for word in ("ada", "sku", "shelf", "nope"))

    in_lanes(intake, story)


def test_a_store_that_is_away_is_waited_for_and_said_so(tmp_path: Path) -> None:
    """Writes are retried until the store is back; meanwhile `trouble` has the reason and retries are counted."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as intake,
    ):

        async def story(worker: Worker) -> None:
            await worker.through(batch(event("ada", "a")))
            await asyncio.to_thread(server.stop)
            assert await worker.lanes.submit(batch(event("ada", "b"), first=1))
            await worker.until(lambda: worker.lanes.trouble)
            assert "unavailable" in str(worker.lanes.trouble) and len(worker.group.marked) == 1
            await asyncio.to_thread(server.start)
            await worker.until(lambda: len(worker.group.marked) == 2)
            assert worker.lanes.trouble is None

        in_lanes(intake, story)
        assert intake.metrics.store_retries._value.get() > 0
        assert done_of(intake.store, "ada") == {"test/clicks/0": 1}


def test_a_store_that_stays_away_ends_the_lane(tmp_path: Path) -> None:
    """After `store_patience_s` the daemon ends and says so; nothing was marked."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as intake,
    ):

        async def story(worker: Worker) -> None:
            await asyncio.to_thread(server.stop)
            with pytest.raises(DaemonError, match=r"store unavailable for 1 s \(daemon.store_patience_s\)"):
                await worker.through(batch(event("ada", "a")))
            assert not worker.group.marked

        in_lanes(intake, story, store_patience_s=1.0)


def test_many_small_fetches_of_a_partition_are_decoded_as_one(intake: Intake) -> None:
    """Their bad records keep their positions, and each fetch is marked in order."""

    async def story(worker: Worker) -> None:
        fetches = [
            batch(event("ada", f"i{n}", at=n), b"{nope%d" % n, first=2 * n, kind=("click", "browse")[n % 2])
            for n in range(10)
        ]
        await worker.through(*fetches)
        assert worker.group.marked == fetches
        letters = {(dict(sent["headers"])["source-offset"], sent["value"]) for sent in worker.producer.sent}
        assert letters == {(b"%d" % (2 * n + 1), b"{nope%d" % n) for n in range(10)}

    in_lanes(intake, story, linger_s=0.3)
    applied = [intake.metrics.events.labels(topic, "applied")._value.get() for topic in ("clicks", "browses")]
    assert applied == [5, 5]
    assert intake.metrics.registry.get_sample_value("driftline_stage_seconds_count", {"stage": "decode"}) == 1
