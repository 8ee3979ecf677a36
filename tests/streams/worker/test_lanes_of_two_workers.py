"""Two workers that both believe to hold a partition, on one store: whatever the order, the states are those of one worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.checks.states import assert_same_states
from support.data.event_columns import event
from support.fakes.lane_story import Worker, batch, in_lanes, one_worker
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

USERS = [f"u{n}" for n in range(20)]


def fetch(number: int, partition: int = 0) -> Any:
    """One event of each user; the same fetch for any reader of the partition."""
    return batch(
        *[event(user, "i", at=10 * number, event_id=f"{user}-{number}-{partition}") for user in USERS],
        first=len(USERS) * number,
        partition=partition,
    )


def warming() -> Any:
    """Puts the item into the store, so that the next upsert is one of users."""
    return batch(event(USERS[0], "i", at=-1.0), partition=9)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "q") as running:
        yield running


@pytest.fixture
def stores(server: QdrantServer, tmp_path: Path) -> Iterator[tuple[Intake, Intake, Intake]]:
    """Two workspaces on one server, and one apart for the truth."""
    with (
        open_intake(server.url, Settings(), create=True) as one,
        open_intake(server.url, Settings(), create=True) as two,
        open_intake(str(tmp_path / "truth"), Settings(), create=True) as truth,
    ):
        yield one, two, truth


def compare(intake: Intake, truth: Intake, fetches: int, partitions: int = 1) -> None:
    async def once(worker: Worker) -> None:
        if any(source.endswith("/9") for source in intake.store.sources.known()):
            await worker.through(warming())
        for partition in range(partitions):
            await worker.through(*[fetch(number, partition) for number in range(fetches)])

    in_lanes(truth, once)
    assert assert_same_states(intake.store, truth.store, truth.workspace.interest) == len(USERS)


def run(story: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(120):
            await story()

    asyncio.run(main())


def test_a_zombie_cannot_overwrite_its_successor(stores: tuple[Intake, Intake, Intake]) -> None:
    """A worker that was frozen past its session continues with what it remembers: its write is refused, and what it claims and
    writes then is judged by the marks that its successor left."""
    one, two, truth = stores

    async def story() -> None:
        zombie, successor = one_worker(one), one_worker(two)
        await zombie.through(fetch(0))
        await successor.through(fetch(1), fetch(2))
        await zombie.through(fetch(1))  # fetched before it was frozen; nobody has told it yet
        assert one.metrics.refused_writes._value.get() == len(USERS)
        assert one.metrics.takeovers._value.get() == len(USERS)
        await successor.through(fetch(3))
        zombie.lanes.shutdown()
        successor.lanes.shutdown()

    run(story)
    compare(one, truth, 4)


def test_a_worker_that_learns_of_its_loss_stops_before_it_claims(
    stores: tuple[Intake, Intake, Intake],
) -> None:
    """Two workers don't take users from each other for long: once the group names the other one, nothing is claimed."""
    one, two, truth = stores

    async def story() -> None:
        zombie, successor = one_worker(one, open_gate=False), one_worker(two)
        late = batch(b"{nope", event(USERS[0], "late"), first=0)
        assert await zombie.lanes.submit(late)
        await zombie.until(lambda: zombie.producer.sent)
        zombie.group.owner = False  # the answer to its next heartbeat
        zombie.producer.gate.set()
        await zombie.until(lambda: zombie.lanes.idle)
        assert late not in zombie.group.marked and one.metrics.stale_events._value.get() == 2
        await successor.through(fetch(0), fetch(1))
        assert two.metrics.refused_writes._value.get() == 0
        zombie.lanes.shutdown()
        successor.lanes.shutdown()

    run(story)
    compare(one, truth, 2)


def test_two_workers_that_never_learn_of_each_other_still_give_exact_states(
    stores: tuple[Intake, Intake, Intake],
) -> None:
    """Even if the group never settled who holds a partition, taking its users from each other costs time, not events."""
    one, two, truth = stores

    async def story() -> None:
        workers = [one_worker(one, linger_s=0.0), one_worker(two, linger_s=0.0)]

        for number in range(12):
            await asyncio.gather(
                workers[0].through(fetch(number)),
                workers[1].through(fetch(number), fetch(number, partition=1)),
            )
        for worker in workers:
            worker.lanes.shutdown()

    run(story)
    takeovers = sum(intake.metrics.takeovers._value.get() for intake in (one, two))
    assert takeovers > 2 * len(USERS), "the workers did not meet"
    compare(one, truth, 12, partitions=2)


@pytest.mark.parametrize("method", ["SetPayload", "Upsert"])
@pytest.mark.parametrize("seen", [0, 1], ids=["new users", "known users"])
def test_a_claim_or_write_that_lands_late_does_no_harm(
    server: QdrantServer, stores: tuple[Intake, Intake, Intake], method: str, seen: int
) -> None:
    """A request that was given up is carried out after another worker, and its sender itself, have written the users."""
    one, two, truth = stores

    async def story() -> None:
        slow, other = one_worker(one, linger_s=0.0), one_worker(two, linger_s=0.0)
        await slow.through(warming())
        if seen:
            await (slow if method == "Upsert" else other).through(fetch(0))
        server.late_next(1, method)
        await slow.through(fetch(seen))
        assert one.metrics.store_retries._value.get() == 1
        await other.through(fetch(seen), fetch(seen + 1))
        for number in range(seen + 2, seen + 5):
            await (slow, other)[number % 2].through(fetch(number))
        assert server.release_late() == 1
        for number in range(seen + 5, seen + 8):
            await (slow, other)[number % 2].through(fetch(number))
        slow.lanes.shutdown()
        other.lanes.shutdown()

    run(story)
    compare(one, truth, seen + 8)


@pytest.mark.parametrize("method", ["SetPayload", "Upsert"])
def test_a_late_request_of_its_own_takes_nothing_back(
    server: QdrantServer, stores: tuple[Intake, Intake, Intake], method: str
) -> None:
    """One worker, no other: what it gave up and then did again is refused when it comes after all."""
    one, _, truth = stores

    async def story() -> None:
        worker = one_worker(one, linger_s=0.0)
        await worker.through(warming(), fetch(0))
        if method == "SetPayload":
            one.ingest.cache.forget(USERS)
        server.late_next(1, method)
        await worker.through(fetch(1))
        assert one.metrics.store_retries._value.get() == 1
        await worker.through(fetch(2))
        assert server.release_late() == 1
        worker.lanes.shutdown()

    run(story)
    compare(one, truth, 3)


def test_requests_that_are_late_at_random_lose_and_double_nothing(
    server: QdrantServer, stores: tuple[Intake, Intake, Intake]
) -> None:
    """One update in eight is answered as failed and carried out up to half a second later, with two workers on the users."""
    one, two, truth = stores
    server.late_s = 0.5

    async def story() -> None:
        workers = [one_worker(one, linger_s=0.0), one_worker(two, linger_s=0.0)]
        server.late_share = 0.125

        async def read(worker: Worker, partition: int) -> None:
            for number in range(12):
                await worker.through(fetch(number, partition))

        await asyncio.gather(*(read(worker, number) for number, worker in enumerate(workers)))
        server.late_share = 0.0
        for worker in workers:
            worker.lanes.shutdown()

    run(story)
    time.sleep(0.6)  # what is still late lands
    assert sum(intake.metrics.store_retries._value.get() for intake in (one, two)) > 0
    compare(one, truth, 12, partitions=2)


def test_a_write_whose_answer_was_lost_is_done_again_and_counted_once(
    server: QdrantServer, stores: tuple[Intake, Intake, Intake]
) -> None:
    """The store applied it, the answer never came: the retry changes nothing."""
    one, _, truth = stores

    async def story() -> None:
        worker = one_worker(one)
        for number in range(6):
            await worker.through(fetch(number))
            server.fail_next(number, applied=True, method="Upsert")
        await worker.through(fetch(6))
        assert one.metrics.events.labels("clicks", "applied")._value.get() == 7 * len(USERS)
        worker.lanes.shutdown()

    run(story)
    assert one.metrics.store_retries._value.get() >= 6
    compare(one, truth, 7)
