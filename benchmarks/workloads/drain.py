"""One run of the daemon over a backlog, and the store alone taking the same points; call both in one fresh process."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.warm import warm_items
from sinks.points import UserPoints, UserRecord
from sinks.writer import NEW
from streams.cli.logging_setup import set_up_logs
from streams.ingest.intake import Intake, open_intake
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker.daemon import Daemon


@dataclass(slots=True)
class Writes:
    """Every acknowledged write of users: when, at how much CPU of the process, and who."""

    at: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    users: list[list[str]] = field(default_factory=list)

    def watch(self, intake: Intake) -> None:
        """Note the writes of this intake from now on; one append a write, nothing a point."""
        write = intake.store.users.write

        def watched(points: UserPoints, *arguments: Any, **options: Any) -> Any:
            taken = write(points, *arguments, **options)
            self.at.append(time.perf_counter())
            self.cpu.append(time.process_time())
            self.users.append(points.user_ids)
            return taken

        intake.store.users.write = watched  # type: ignore[method-assign]

    @property
    def points(self) -> int:
        """Points written in all."""
        return sum(map(len, self.users))


@dataclass(frozen=True, slots=True)
class Drained:
    """Figures of one run, from the end of its first write to the end of its last one."""

    events_per_s: float
    cpu_us_per_event: float
    points_per_s: float
    points_per_event: float
    users_per_write: float
    store_points_per_s: float
    """The store alone, same points in the same batches"""
    store_cpu_us_per_point: float

    @property
    def ratio_to_store(self) -> float:
        """How near the daemon comes to the store's own speed."""
        return self.points_per_s / self.store_points_per_s


def drain_and_compare(flags: dict[str, Any], folder: Path, item_ids: list[str], events: int) -> Drained:
    """Drain the topics with a daemon into a new store in `folder`, then write the same points to another one.

    Raises:
        RuntimeError: not every event was applied, or all of them in one write, which leaves nothing to time.
    """
    settings = Settings.load(None, flags)
    set_up_logs(settings.log)
    writes = Writes()
    first = asyncio.run(_drain(settings, folder / "daemon", item_ids, events, writes))
    if len(writes.at) < 3 or first >= events:
        raise RuntimeError(f"{events} events are too few: {len(writes.at)} writes")
    seconds, cpu = writes.at[-1] - writes.at[0], writes.cpu[-1] - writes.cpu[0]
    points = writes.points - len(writes.users[0])
    store_rate, store_cpu = _store_alone(settings, folder, writes.users)
    return Drained(
        events_per_s=(events - first) / seconds,
        cpu_us_per_event=1e6 * cpu / (events - first),
        points_per_s=points / seconds,
        points_per_event=writes.points / events,
        users_per_write=writes.points / len(writes.users),
        store_points_per_s=store_rate,
        store_cpu_us_per_point=store_cpu,
    )


async def _drain(settings: Settings, folder: Path, item_ids: list[str], events: int, writes: Writes) -> int:
    """Run the daemon to the end of the backlog; the number of events that were through when the clock began, or more."""

    def opened(metrics: Metrics) -> Intake:
        intake = open_intake(str(folder), settings, create=True, metrics=metrics)
        writes.watch(intake)
        return intake

    daemon = Daemon(settings, opened, drain=True, prepare=lambda intake: warm_items(intake, item_ids))
    running = asyncio.create_task(daemon.run())
    while not daemon.summary().events and not running.done():  # noqa: ASYNC110  # counters, not an event
        await asyncio.sleep(0.005)
    first = daemon.summary().events
    summary = await running
    if summary.applied != events:
        raise RuntimeError(f"{summary.applied} of {events} events were applied: {summary}")
    return first


def _store_alone(settings: Settings, folder: Path, batches: list[list[str]]) -> tuple[float, float]:
    """Points a second and CPU us a point of the store alone: what the daemon left, in the batches that it wrote."""
    with open_intake(str(folder / "daemon"), settings, create=False) as intake:
        users = sorted({user for batch in batches for user in batch})
        found = intake.store.users.read(users, with_vectors=True)
        there = {record.user_id: record for record in found if record is not None}
    points = [points_of([there[user] for user in batch]) for batch in batches]
    del found, there
    gc.collect()
    gc.freeze()  # what is held here for the comparison must not slow it down
    with open_intake(str(folder / "alone"), settings, create=True) as intake:
        users = intake.store.users
        users.write(points[0], [NEW] * len(points[0].user_ids))
        began, cpu = time.perf_counter(), time.process_time()
        for batch in points[1:]:
            users.write(batch, [NEW] * len(batch.user_ids))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    count = sum(len(batch.user_ids) for batch in points[1:])
    return count / seconds, 1e6 * cpu / count


def points_of(records: list[UserRecord]) -> UserPoints:
    """Users as read, with vectors, in the form in which they are written."""
    interests = [record.interests for record in records if record.interests is not None]
    return UserPoints(
        user_ids=[record.user_id for record in records],
        fused=np.stack([record.fused for record in records if record.fused is not None]),
        interests=np.concatenate(interests),
        interest_offsets=np.cumsum([0, *map(len, interests)]),
        states=[record.state for record in records],
        watermarks=[record.watermarks for record in records],
        weights=[record.weights for record in records],
        updated_at=np.array([record.updated_at for record in records]),
    )
