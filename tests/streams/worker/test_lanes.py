"""The lanes of a worker: one for each partition number, bounded, revoked, closed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from streams.worker.app import connect, faust_app
from streams.worker.read_topics import ReadTopics
from support.checks.states import done_of, states_of
from support.data.event_columns import event
from support.fakes.lane_story import Worker, batch, in_lanes
from support.qdrant_server import QdrantServer


@pytest.fixture
def intake(tmp_path: Path) -> Any:
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def test_a_partition_number_of_all_topics_is_one_lane(tmp_path: Path) -> None:
    """A user's clicks, purchases and browses meet in one flush; other partition numbers have lanes of their own."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as intake,
    ):

        async def story(worker: Worker) -> None:
            kinds = ("browse", "click", "purchase")
            await worker.through(*[batch(event("ada", "a", at=n), kind=kind) for n, kind in enumerate(kinds)])
            assert intake.metrics.users_written._value.get() == 1
            await worker.through(batch(event("ben", "a"), partition=3))
            assert intake.metrics.lanes._value.get() == 2

        in_lanes(intake, story, linger_s=0.3)


def test_all_partitions_of_an_embedded_store_are_one_lane(intake: Intake) -> None:
    """What waits in any of them is one write; each partition's batches are marked in order all the same."""

    async def story(worker: Worker) -> None:
        batches = [batch(event(f"u{n % 4}", "a", at=n), first=n // 4, partition=n % 4) for n in range(12)]
        await worker.through(*batches)
        assert worker.group.marked == batches

    in_lanes(intake, story, linger_s=0.3)
    assert intake.metrics.lanes._value.get() == 1
    assert intake.metrics.registry.get_sample_value("driftline_batch_events_count") == 1


def test_the_bounds_of_what_is_in_flight_hold(intake: Intake) -> None:
    """No more events or bytes than allowed are taken before the store has them, over all lanes."""

    async def story(worker: Worker) -> None:
        batches = [batch(*[event("ada", "a")] * 6, b"{nope", first=7 * n, partition=n % 3) for n in range(9)]
        submitted = [asyncio.create_task(worker.lanes.submit(each)) for each in batches]
        await worker.until(lambda: worker.producer.sent)
        await asyncio.sleep(0.1)
        gauge = intake.metrics.registry.get_sample_value
        assert gauge("driftline_in_flight_events") == 14
        assert 0 < (gauge("driftline_in_flight_bytes") or 0) <= 1500
        worker.producer.gate.set()
        assert all(await asyncio.gather(*submitted))
        await worker.until(lambda: len(worker.group.marked) == 9)
        assert gauge("driftline_in_flight_events") == 0 and worker.lanes.idle

    in_lanes(intake, story, open_gate=False, in_flight_events=20)


def test_large_records_are_bounded_by_bytes(intake: Intake) -> None:
    """A few large records fill the room as many small ones do; one larger than the room still gets through."""

    async def story(worker: Worker) -> None:
        large = [event("ada", "a", at=n, note="x" * 50_000) for n in range(4)]
        submitted = [
            asyncio.create_task(worker.lanes.submit(batch(row, b"{", first=2 * n)))
            for n, row in enumerate(large)
        ]
        await worker.until(lambda: worker.producer.sent)
        await asyncio.sleep(0.1)
        assert intake.metrics.registry.get_sample_value("driftline_in_flight_events") == 2
        worker.producer.gate.set()
        assert all(await asyncio.gather(*submitted))
        await worker.through(batch(event("ada", "a", at=9, note="x" * 300_000), first=8))

    in_lanes(intake, story, open_gate=False, in_flight_bytes=90_000)


def test_close_finishes_what_was_taken_and_takes_nothing_more(intake: Intake) -> None:
    """After close the taken batches are durable; later ones are refused, so that nobody marks them."""

    async def story(worker: Worker) -> None:
        taken = batch(event("ada", "a"))
        assert await worker.lanes.submit(taken)
        await worker.lanes.close()
        assert worker.group.marked == [taken]
        assert not await worker.lanes.submit(batch(event("ben", "a"), first=1))
        assert intake.store.users.read(["ben"]) == [None]

    in_lanes(intake, story, linger_s=30.0)


def test_a_revoked_partition_finishes_its_flush_and_drops_the_rest(intake: Intake) -> None:
    """What is being written is finished and marked, so that it isn't read twice; what waits is left to the next holder."""

    async def story(worker: Worker) -> None:
        first = batch(event("ada", "a"), b"{nope")
        assert await worker.lanes.submit(first)
        await worker.until(lambda: worker.producer.sent)  # in its flush, waiting for the dead letter
        assert await worker.lanes.submit(batch(event("ben", "a"), first=2))
        revoking = asyncio.create_task(worker.lanes.revoke())
        await asyncio.sleep(0.1)
        assert not revoking.done()
        worker.producer.gate.set()
        await revoking
        assert worker.group.marked == [first] and worker.lanes.idle
        assert intake.store.users.read(["ben"]) == [None]
        assert intake.metrics.stale_events._value.get() == 1

    in_lanes(intake, story, open_gate=False, linger_s=0.0)


def test_a_worker_that_waits_for_room_is_turned_away_by_a_rebalance(intake: Intake) -> None:
    """A batch that had no room yet is refused, not taken into the next assignment."""

    async def story(worker: Worker) -> None:
        assert await worker.lanes.submit(batch(event("ada", "a"), b"{nope"))
        waiting = asyncio.create_task(worker.lanes.submit(batch(event("ben", "a"), first=2)))
        await worker.until(lambda: worker.producer.sent)
        revoking = asyncio.create_task(worker.lanes.revoke())
        assert not await waiting
        worker.producer.gate.set()
        await revoking

    in_lanes(intake, story, open_gate=False, in_flight_events=2)


def test_a_worker_out_of_the_group_writes_nothing(intake: Intake) -> None:
    """What was taken before the group named another worker is dropped unwritten and unmarked."""

    async def story(worker: Worker) -> None:
        assert await worker.lanes.submit(batch(event("ada", "a"), b"{nope"))
        await worker.until(lambda: worker.producer.sent)
        worker.group.owner = False
        worker.producer.gate.set()
        await worker.until(lambda: worker.lanes.idle)
        assert not worker.group.marked and intake.store.users.read(["ada"]) == [None]
        assert intake.metrics.stale_events._value.get() == 2
        assert not await worker.lanes.submit(batch(event("ada", "a"), first=2))

    in_lanes(intake, story, open_gate=False)


def test_what_another_worker_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    """Another worker may have written the user meanwhile: its events are kept."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as mine,
        open_intake(server.url, Settings(), create=True) as others,
    ):

        async def elsewhere(worker: Worker) -> None:
            await worker.through(batch(event("ada", "b", at=1), first=1))

        async def story(worker: Worker) -> None:
            await worker.through(batch(event("ada", "a")))
            await worker.lanes.revoke()
            await asyncio.to_thread(in_lanes, others, elsewhere)
            await worker.through(
                batch(event("ada", "b", at=1), first=1), batch(event("ada", "c", at=2), first=2)
            )

        in_lanes(mine, story)
        assert done_of(mine.store, "ada") == {"test/clicks/0": 2}
        _, states, _ = states_of(mine.store, mine.workspace.interest)
        assert states.n_events.tolist() == [3]


def test_a_folder_is_put_on_the_disk_before_offsets_are_committed(intake: Intake) -> None:
    """What a loss of power could take is not there any longer when the client is told to commit."""

    async def story(worker: Worker) -> None:
        app = faust_app(Settings())
        read = ReadTopics(Settings().topics.layout())
        connect(app, Settings(), worker.lanes, {}, read, on_problem=pytest.fail)
        assert app.before_commit is not None
        await worker.through(batch(event("ada", "a")))
        collections = intake.store._engine._open  # type: ignore[attr-defined]
        assert collections["users"]._unsynced
        await app.before_commit()
        assert not any(collection._unsynced for collection in collections.values())

    in_lanes(intake, story)
