"""Users whose events come by any partition and to any number of writers at once: each state is exact."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED
from streams.settings import Settings
from streams.worker.batch import LaneBatch
from support.checks.states import assert_same_states
from support.data.event_columns import columns_of, event
from support.data.placements import PLACEMENTS, as_one_log, fetches, some_events
from support.fakes.lane_story import Worker, in_lanes, one_worker
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

Events = list[tuple[str, dict[str, Any]]]
FEW_IN_MEMORY = Settings.model_validate({"daemon": {"user_cache": 5}})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "q") as running:
        yield running


@pytest.fixture
def opened(server: QdrantServer) -> Iterator[Callable[..., Intake]]:
    """Opens the server's store once more, as another process would."""
    with ExitStack() as stack:

        def opening(settings: Settings | None = None) -> Intake:
            return stack.enter_context(open_intake(server.url, settings or Settings(), create=True))

        yield opening


def assert_exact(intake: Intake, events: Events, folder: Path) -> None:
    """The store has what one writer makes of the same events."""

    async def once(worker: Worker) -> None:
        await worker.through(*as_one_log(events))

    with open_intake(str(folder / "truth"), Settings(), create=True) as truth:
        in_lanes(truth, once)
        users = assert_same_states(intake.store, truth.store, truth.workspace.interest)
    assert users == len({row["user_id"] for _, row in events})


def total(workspaces: Sequence[Intake], outcome: str) -> int:
    """Events with that outcome, over all topics and workers."""
    return sum(
        int(intake.metrics.events.labels(topic, outcome)._value.get())
        for intake in workspaces
        for topic in ("browses", "clicks", "purchases")
    )


def run(story: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(200):
            await story()

    asyncio.run(main())


@pytest.mark.parametrize("how", PLACEMENTS)
@pytest.mark.parametrize("kept", [Settings(), FEW_IN_MEMORY], ids=["all in memory", "few in memory"])
def test_a_user_s_events_may_come_by_any_partition(
    opened: Callable[..., Intake], tmp_path: Path, how: str, kept: Settings
) -> None:
    """One daemon, however the producers place its records: nothing lost, nothing twice, and a metric says that it is so."""
    intake, events = opened(kept), some_events(600, users=30, seed=1)

    async def story(worker: Worker) -> None:
        await worker.through(*fetches(events, PLACEMENTS[how], seed=2))

    in_lanes(intake, story, linger_s=0.0)
    assert total([intake], "applied") == 600
    assert intake.metrics.users_on_several_partitions._value.get() >= (20 if kept is not FEW_IN_MEMORY else 1)
    assert_exact(intake, events, tmp_path)


def test_well_placed_users_are_seen_on_one_partition(opened: Callable[..., Intake]) -> None:
    """The metric of badly placed users stays at zero where keys are right."""
    intake, events = opened(), some_events(200, users=30, seed=1)

    async def story(worker: Worker) -> None:
        await worker.through(*fetches(events, lambda number, user, rng: int(user[1:]) % 4, seed=2))

    in_lanes(intake, story, linger_s=0.0)
    assert intake.metrics.users_on_several_partitions._value.get() == 0


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_users_that_are_placed_at_random(
    opened: Callable[..., Intake], tmp_path: Path, workers: int
) -> None:
    """Each worker has partitions of its own and all the users: they take them from each other, and every state is exact."""
    workspaces = [opened() for _ in range(workers)]
    events = some_events(900, users=25, seed=3)

    async def story() -> None:
        crew = [one_worker(intake, linger_s=0.0) for intake in workspaces]
        parts: list[list[LaneBatch]] = [[] for _ in crew]
        for each in fetches(events, PLACEMENTS["null keys"], seed=4, size=8):
            parts[each.partition % len(crew)].append(each)

        async def read(worker: Worker, part: list[LaneBatch]) -> None:
            for at in range(0, len(part), 3):
                await worker.through(*part[at : at + 3])

        await asyncio.gather(*(read(worker, part) for worker, part in zip(crew, parts, strict=True)))
        for worker in crew:
            worker.lanes.shutdown()

    run(story)
    assert total(workspaces, "applied") == 900
    assert sum(intake.metrics.refused_writes._value.get() for intake in workspaces), "they did not meet"
    assert all(intake.metrics.takeovers._value.get() for intake in workspaces)
    assert_exact(workspaces[0], events, tmp_path)


def test_two_pipelines_share_one_store(opened: Callable[..., Intake], tmp_path: Path) -> None:
    """Two clusters with groups of their own write the same users: the store has the events of both."""
    workspaces = [opened(), opened()]
    halves = [some_events(400, users=20, seed=seed, prefix="p") for seed in (5, 6)]

    async def story() -> None:
        crew = [
            one_worker(intake, cluster=f"cluster{number}", linger_s=0.0)
            for number, intake in enumerate(workspaces)
        ]
        await asyncio.gather(
            *(
                worker.through(*fetches(half, PLACEMENTS["null keys"], seed=7))
                for worker, half in zip(crew, halves, strict=True)
            )
        )
        for worker in crew:
            worker.lanes.shutdown()

    run(story)
    assert total(workspaces, "applied") == 800
    assert_exact(workspaces[0], halves[0] + halves[1], tmp_path)


def test_a_replay_beside_a_daemon_loses_nothing_of_either(
    opened: Callable[..., Intake], tmp_path: Path
) -> None:
    """History may be loaded while the daemon runs, into the same users."""
    live, history = opened(), opened()
    now, before = some_events(400, users=20, seed=8), some_events(400, users=20, seed=9, prefix="h")
    applied: list[int] = []

    def replay() -> None:
        for at in range(0, len(before), 20):
            for kind in ("browse", "click", "purchase"):
                rows = [row for of, row in before[at : at + 20] if of == kind]
                offsets = [at + n for n, (of, _) in enumerate(before[at : at + 20]) if of == kind]
                if rows:
                    columns = columns_of(rows, offsets=offsets, source=f"log/{kind}", action=kind)
                    applied.append(history.ingest.apply(columns).count(APPLIED))

    async def story(worker: Worker) -> None:
        loading = threading.Thread(target=replay)
        loading.start()
        for each in fetches(now, PLACEMENTS["null keys"], seed=10, size=6):
            await worker.through(each)
        await asyncio.to_thread(loading.join)

    in_lanes(live, story, linger_s=0.0)
    assert sum(applied) == 400 and total([live], "applied") == 400
    assert_exact(live, now + before, tmp_path)


def test_no_mark_is_lost_too_early_however_many_sources_a_user_has(
    opened: Callable[..., Intake], tmp_path: Path
) -> None:
    """Three topics of six partitions with null keys, then twenty daily logs, then all of it once more: nothing twice, and the
    points don't keep what progress covers."""
    intake = opened()
    events = some_events(500, users=8, seed=11)
    days = [[event(f"u{n}", f"day{day}", at=1e4 + 60.0 * day) for n in range(8)] for day in range(20)]

    def place(number: int, user: str, rng: Any) -> int:
        return int(rng.randrange(6))

    async def story(worker: Worker) -> None:
        await worker.through(*fetches(events, place, seed=12, size=4))

    def load(intake: Intake) -> int:
        applied = 0
        for day, rows in enumerate(days):
            columns = columns_of(rows, source=f"log/day-{day}")
            applied += intake.ingest.apply(columns).count(APPLIED)
            intake.ingest.advance({f"log/day-{day}": len(rows)})
        return applied

    in_lanes(intake, story, linger_s=0.0)
    assert load(intake) == 160
    for memory in (intake, opened()):  # by what is in memory, and by the store alone
        in_lanes(memory, story, linger_s=0.0)
        assert load(memory) == 0
    assert total([intake], "applied") == 500
    (record,) = intake.store.users.read(["u3"])
    assert record is not None and len(record.watermarks) <= 2
    assert_exact(intake, events + [("click", row) for day in days for row in day], tmp_path)
