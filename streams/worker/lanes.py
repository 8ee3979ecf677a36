"""The lanes of one worker: one for each partition number that it holds, of all topics.

A user's events may come by any of them: all lanes share one memory of users, and a flush locks its users.

An embedded store has one worker and one thread that writes. There all partition numbers share one lane, so that what waits is
one flush: a flush costs some milliseconds however small it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from streams.events.record_clock import RecordClock
from streams.ingest.intake import Intake
from streams.letters.sender import DeadLetters
from streams.settings_sections import DaemonConfig
from streams.worker.batch import LaneBatch
from streams.worker.in_flight import InFlightLimit
from streams.worker.lane import Lane
from streams.worker.lane_work import LaneLimits, LaneWork, Membership
from streams.worker.outcome_counts import OutcomeCounts
from streams.worker.reject_budget import RejectBudget
from streams.worker.reject_share import RejectShare


class Lanes:
    """Leads batches to their lanes; makes lanes as they come and ends them when the assignment is revoked.

    What is taken and not yet durable is bounded by `in_flight_events` and `in_flight_bytes`, over all lanes.
    """

    def __init__(
        self,
        intake: Intake,
        dead_letters: DeadLetters,
        membership: Membership,
        *,
        config: DaemonConfig,
        cluster: str,
        now: Callable[[], float],
    ) -> None:
        # A server has two requests in flight; the embedded engine gets slower with a second thread.
        threads = config.lane_threads or (1 if intake.store.exclusive else 2)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="lane")
        self._membership = membership
        self._intake = intake
        self._metrics = intake.metrics
        self._room = InFlightLimit(config.in_flight_events, config.in_flight_bytes)
        self._metrics.in_flight_events.set_function(lambda: self._room.events)
        self._metrics.in_flight_bytes.set_function(lambda: self._room.n_bytes)
        self._one_lane = intake.store.exclusive
        self._settle_s = config.rebalance_timeout_s / 2
        self._work = LaneWork(
            intake,
            dead_letters,
            membership,
            LaneLimits(
                linger_s=config.linger_s,
                flush_s=config.flush_s,
                store_patience_s=config.store_patience_s,
            ),
            self._executor,
            asyncio.Semaphore(threads),
            self._room,
            RejectBudget(),
            cluster,
            now,
            RecordClock(now),
            RejectShare(config.max_reject_share, config.reject_window),
            OutcomeCounts(intake.metrics),
        )
        self.outcomes = self._work.outcomes
        self._lanes: dict[int, Lane] = {}
        self._left: set[Lane] = set()
        self.failure: BaseException | None = None
        """What ended a lane; the daemon can't continue."""

    async def submit(self, batch: LaneBatch) -> bool:
        """Take a batch as soon as there is room. False: it was not taken and must not be marked."""
        events, n_bytes = len(batch.records), batch.n_bytes
        if self._membership.is_current(batch) and await self._room.take(events, n_bytes):
            # Asked again: the assignment may have changed while it waited.
            if self._membership.is_current(batch) and self.failure is None:
                self._lane(batch.partition).add(batch)
                return True
            self._room.give(events, n_bytes)
        self._metrics.stale_events.inc(events)
        return False

    async def revoke(self) -> None:
        """End all lanes: what is in a flush is finished, as far as the time allows, the rest is read again."""
        lanes, self._lanes = list(self._lanes.values()), {}
        self._metrics.lanes.set(0)
        self._left.update(lanes)
        self._room.turn_away()
        for lane in lanes:
            lane.leave()
        tasks = {lane.task for lane in lanes if lane.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=self._settle_s)

    async def close(self) -> None:
        """Take nothing new and return when what was taken is durable."""
        self._room.close()
        lanes = [*self._lanes.values(), *self._left]
        for lane in lanes:
            lane.close()
        tasks = {lane.task for lane in lanes if lane.task is not None}
        if tasks:
            await asyncio.wait(tasks)

    def abandon(self) -> None:
        """Take nothing new and begin nothing new; what waits is read again after the next start."""
        self._room.close()
        for lane in self._lanes.values():
            lane.leave()

    async def sync(self) -> None:
        """Put on the disk all that was acknowledged, where the store is a folder: before offsets are committed."""
        if self._intake.store.exclusive:
            await asyncio.to_thread(self._intake.store.sync)
            self._intake.failpoints.reached("synced")

    def shutdown(self) -> None:
        """Let go of the threads; a call that still waits for the store is left to the end of the process."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def clock(self) -> RecordClock:
        """What the records say of the time."""
        return self._work.clock

    @property
    def quarantined(self) -> str | None:
        """What to say on /ready of users in quarantine."""
        count = len(self._work.intake.quarantine)
        if not count:
            return None
        return f"{count} users are in quarantine, since their states can't be read: driftline repair"

    @property
    def idle(self) -> bool:
        """Nothing taken and not yet durable."""
        return not self._room.events

    @property
    def trouble(self) -> str | None:
        """Why a lane can't write at the moment, or can't send a dead letter, for /ready."""
        troubles = (lane.trouble for lane in self._lanes.values() if lane.trouble)
        return next(troubles, None) or self._work.dead_letters.trouble

    def _lane(self, number: int) -> Lane:
        number = 0 if self._one_lane else number
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._lanes[number] = Lane(number, self._work)
            self._metrics.lanes.set(len(self._lanes))
            lane.start().add_done_callback(lambda task: self._ended(lane, task))
        return lane

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        self._left.discard(lane)
        if self._lanes.get(lane.number) is lane:
            del self._lanes[lane.number]
        if not task.cancelled() and task.exception() is not None and self.failure is None:
            self.failure = task.exception()
