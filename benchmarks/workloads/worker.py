"""A running daemon in a process of its own, told by a pipe what to do: one of the workers of a benchmark."""

from __future__ import annotations

import asyncio
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from benchmarks.workloads.drain import Writes
from benchmarks.workloads.warm import warm_items
from streams.cli.logging_setup import set_up_logs
from streams.ingest.intake import Intake, open_intake
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker.daemon import Daemon

COUNTERS = ("takeovers", "refused_writes", "users_on_several_partitions", "store_retries")


@dataclass(frozen=True, slots=True)
class Work:
    """What one worker did; moments are of the machine's monotonic clock, CPU is from the first write's end to the last's."""

    applied: int
    applied_by_first: int
    """when its first write ended, or a few more"""
    first_at: float
    last_at: float
    cpu_s: float
    points: int
    counters: dict[str, float]


class Worker:
    """The daemon, started by `with`; ready once it has joined its group."""

    def __init__(self, flags: dict[str, Any], location: str, item_ids: list[str]) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(flags, location, item_ids, theirs))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def ready(self) -> bool:
        """Whether it is in its group and no rebalance is under way."""
        return bool(self._ask("ready"))

    def events(self) -> int:
        """How many have an outcome."""
        return int(self._ask("events"))

    def stopped(self) -> Work:
        """Stop it; what it did."""
        found: Work = self._ask("stop")
        self._process.join()
        return found

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        while not self._pipe.poll(1.0):
            if not self._process.is_alive():
                raise RuntimeError(f"a worker ended with {self._process.exitcode}")
        return self._pipe.recv()


def _serve(flags: dict[str, Any], location: str, item_ids: list[str], control: Connection) -> None:
    settings = Settings.load(None, flags)
    set_up_logs(settings.log)
    control.send(asyncio.run(_run(settings, location, item_ids, control)))


async def _run(settings: Settings, location: str, item_ids: list[str], control: Connection) -> Work:
    writes = Writes()

    def opened(metrics: Metrics) -> Intake:
        intake = open_intake(location, settings, create=True, metrics=metrics)
        warm_items(intake, item_ids)
        writes.watch(intake)
        return intake

    daemon = Daemon(settings, opened)
    running = asyncio.create_task(daemon.run())
    by_first = 0
    while not running.done():
        if writes.at and not by_first:
            by_first = daemon.summary().events
        if control.poll(0):
            asked = control.recv()
            if asked == "stop":
                break
            answers = {"ready": daemon.readiness.not_ready() is None, "events": daemon.summary().events}
            control.send(answers[asked])
        await asyncio.sleep(0.005)
    daemon.stop.set()
    summary = await running
    counters = {name: float(getattr(daemon.metrics, name)._value.get()) for name in COUNTERS}
    spans = (writes.at[0], writes.at[-1], writes.cpu[-1] - writes.cpu[0]) if writes.at else (0.0, 0.0, 0.0)
    return Work(summary.applied, by_first, *spans, writes.points, counters)
