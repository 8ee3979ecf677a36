"""Two workers that both believe to hold a partition, on one store: whatever the order, the states are those of one worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from streams.workspace import Workspace, open_workspace
from support.event_columns import event
from support.lane_story import Worker, batch, in_lanes, one_worker
from support.qdrant_server import QdrantServer
from support.states import assert_same_states

pytestmark = pytest.mark.server

USERS = [f"u{n}" for n in range(20)]


def fetch(number: int) -> Any:
    """One event of each user; the same fetch for whoever reads the partition."""
    return batch(
        *[event(user, f"i{number}", at=10 * number, event_id=f"{user}-{number}") for user in USERS],
        first=len(USERS) * number,
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "q") as running:
        yield running


@pytest.fixture
def stores(server: QdrantServer, tmp_path: Path) -> Iterator[tuple[Workspace, Workspace, Workspace]]:
    """Two workspaces on one server, and one apart for the truth."""
    with (
        open_workspace(server.url, Settings(), create=True) as one,
        open_workspace(server.url, Settings(), create=True) as two,
        open_workspace(str(tmp_path / "truth"), Settings(), create=True) as truth,
    ):
        yield one, two, truth


def compare(workspace: Workspace, truth: Workspace, fetches: int) -> None:
    async def once(worker: Worker) -> None:
        await worker.through(*[fetch(number) for number in range(fetches)])

    in_lanes(truth, once)
    assert assert_same_states(workspace.store, truth.store, truth.interest) == len(USERS)


def run(story: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(120):
            await story()

    asyncio.run(main())


def test_a_zombie_cannot_overwrite_its_successor(stores: tuple[Workspace, Workspace, Workspace]) -> None:
    """A worker that was frozen past its session goes on with what it remembers; nothing of it is written or marked."""
    one, two, truth = stores

    async def story() -> None:
        zombie, successor = one_worker(one, heartbeat_s=0.5), one_worker(two)
        await zombie.through(fetch(0))
        await successor.through(fetch(0), fetch(1), fetch(2))  # fetch 0 was not committed
        late = fetch(1)
        assert await zombie.lanes.submit(late)  # fetched before it was frozen; nobody has told it yet
        await zombie.until(lambda: one.metrics.fence_refusals._value.get())
        zombie.group.owner = False  # the answer to its next heartbeat
        await zombie.until(lambda: zombie.lanes.idle)
        assert late not in zombie.group.marked
        assert one.metrics.stale_events._value.get() == len(USERS)
        await successor.through(fetch(3))
        assert two.metrics.fence_refusals._value.get() == 0
        zombie.lanes.shutdown()
        successor.lanes.shutdown()

    run(story)
    compare(one, truth, 4)


def test_a_holder_whose_token_was_passed_by_a_zombie_takes_a_new_one(
    stores: tuple[Workspace, Workspace, Workspace],
) -> None:
    """A zombie that draws its token late stops the true holder only for a moment; no event is lost or counted twice."""
    one, two, truth = stores

    async def story() -> None:
        holder, zombie = one_worker(one), one_worker(two)
        await holder.through(fetch(0))
        await zombie.through(fetch(0), fetch(1))  # assigned earlier, frozen until now
        zombie.group.owner = False
        await holder.through(fetch(1), fetch(2))
        assert one.metrics.fence_refusals._value.get() == 1
        assert len(holder.group.marked) == 3
        holder.lanes.shutdown()
        zombie.lanes.shutdown()

    run(story)
    compare(one, truth, 3)


def test_two_workers_that_never_learn_of_each_other_still_give_exact_states(
    stores: tuple[Workspace, Workspace, Workspace],
) -> None:
    """Even if the group never settled who holds the partition, taking it from each other costs time, not events."""
    one, two, truth = stores

    async def story() -> None:
        workers = [
            one_worker(one, heartbeat_s=0.05, linger_s=0.0),
            one_worker(two, heartbeat_s=0.08, linger_s=0.0),
        ]

        async def read_all(worker: Worker) -> None:
            for number in range(12):
                await worker.through(fetch(number))

        await asyncio.gather(*map(read_all, workers))
        for worker in workers:
            worker.lanes.shutdown()

    run(story)
    refusals = sum(workspace.metrics.fence_refusals._value.get() for workspace in (one, two))
    assert refusals > 0, "the workers did not meet"
    compare(one, truth, 12)


def test_a_write_whose_answer_was_lost_is_done_again_and_counted_once(
    server: QdrantServer, stores: tuple[Workspace, Workspace, Workspace]
) -> None:
    """The store applied it, the answer never came: the retry changes nothing."""
    one, _, truth = stores

    async def story() -> None:
        worker = one_worker(one)
        for number in range(6):
            await worker.through(fetch(number))
            server.fail_next(number, applied=True, method="Upsert")
        await worker.through(fetch(6))
        worker.lanes.shutdown()

    run(story)
    assert one.metrics.store_retries._value.get() >= 6
    compare(one, truth, 7)
