"""One lane: all batches of one partition number, into the store, in an order that loses nothing and applies nothing twice.

Per flush, which joins all batches that wait:

1. decode; what can't be decoded becomes a dead letter, sent and awaited;
2. catalogue changes, so that the events beside them use the new content; rows and, in step 4, events of items whose ids
   collide with others' become dead letters, sent and awaited;
3. lock the users of the flush within this process, all at once, to the end of step 6;
4. claim those that are not in memory, and read them; ask how far the sources are in the store; drop what the users' marks
   or the sources' progress say is in there; update, transfer, fuse. Should that fail unexpectedly, the
   events at fault are found by halving and become dead letters too, sent and awaited;
5. write the users, each on the condition that it is held as it was read, and have them counted;
6. take those that were accepted into memory. The others: from step 4 again (`streams.ingest.ingest` has the details);
7. raise the progress of the sources in the store to the end of the flush: from there a start continues;
8. mark the batches as done, in order, after which their offsets may be committed, for tools that watch the group's lag.

A crash before step 5 leaves nothing of the flush in the store but claims, which anybody may take over, placeholders of items,
and letters, which are sent again. After it some users have the flush and some have not: progress is below it, so it is read
again, and step 4 drops of each user what its marks say. After step 7 it is not read again. Which worker has the partition
does not matter for that: a worker that lost it without knowing writes under the same conditions, and its events are
judged by the same marks. It is asked whether the partition is still ours before each request all the same, so that
two workers don't take users from each other for long.

A store that is away, or a Schema Registry where step 1 needs a schema that is not known, is retried with jittered backoff for
`store_patience_s`; meanwhile the batches keep their room, so that fetching pauses and memory stays bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from time import monotonic, perf_counter
from typing import Any, Final, TypeVar

import stamina
import structlog

from sinks.errors import StoreUnavailable
from streams.errors import DaemonError, LaneLost
from streams.events.watermarks import kafka_source
from streams.letters.letter import PARKED
from streams.worker.away import AWAY, backoff, who_is_away
from streams.worker.batch import LaneBatch
from streams.worker.flush import Flush
from streams.worker.lane_work import LaneWork
from streams.worker.poison import is_poison
from streams.worker.unreadable_users import is_unreadable, refuse_other_release

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

LETTERS_GRACE_S: Final = 3.0
"""How long a lane that is told to end waits for dead letters that are under way."""


class Lane:
    """Takes batches of one partition number and applies them in flushes, one at a time."""

    def __init__(self, number: int, work: LaneWork) -> None:
        self.number = number
        self._work = work
        self._metrics = work.intake.metrics
        self._waiting: list[LaneBatch] = []
        self._waits_since = 0.0
        self._arrived = asyncio.Event()
        self._leaving = asyncio.Event()
        self._s_per_event = 0.0
        self.task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why nothing can be written at the moment, for /ready."""

    def start(self) -> asyncio.Task[None]:
        """Begin to work."""
        self.task = asyncio.create_task(self._run(), name=f"lane {self.number}")
        return self.task

    def add(self, batch: LaneBatch) -> None:
        """Take a batch that has its room already; the lane gives the room back."""
        if not self._waiting:
            self._waits_since = monotonic()
        self._waiting.append(batch)
        self._arrived.set()

    def leave(self) -> None:
        """Finish the flush in hand and no other; the rest is read again by the worker that has the partition."""
        self._drop()
        self.close()

    def close(self) -> None:
        """Finish everything that was taken, then end; `task` tells when."""
        self._leaving.set()
        self._arrived.set()

    async def _run(self) -> None:
        try:
            while await self._some_wait():
                await self._linger()
                async with self._work.turn:
                    batches = self._take()
                    if batches:
                        await self._finish(batches)
        except LaneLost:
            log.info("lane lost", partition=self.number)
        finally:
            self._leaving.set()
            self._drop()
            self.trouble = None

    async def _some_wait(self) -> bool:
        while not self._waiting:
            if self._leaving.is_set():
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    async def _linger(self) -> None:
        """Wait for company, until the budget of what came first is spent; nobody waits for a lane that ends."""
        left_s = self._waits_since + self._work.limits.linger_s - monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._leaving.wait(), max(0.0, left_s))

    def _take(self) -> list[LaneBatch]:
        """What waits, up to about `flush_s` of work, and at least one batch."""
        most = self._work.limits.flush_s / self._s_per_event if self._s_per_event else float("inf")
        count = events = 0
        for batch in self._waiting:
            events += len(batch.records)
            if count and events > most:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waits_since = monotonic()
        return taken

    def _drop(self) -> None:
        stale, self._waiting = self._waiting, []
        self._give_back(stale)
        self._metrics.stale_events.inc(sum(len(batch.records) for batch in stale))

    def _give_back(self, batches: list[LaneBatch]) -> None:
        for batch in batches:
            self._work.in_flight.give(len(batch.records), batch.n_bytes)

    async def _finish(self, batches: list[LaneBatch]) -> None:
        began, events = perf_counter(), sum(len(batch.records) for batch in batches)
        work = self._work
        flush = Flush(batches, work.intake, work.cluster, work.now, work.clock)
        try:
            await self._apply(flush)
            for batch in batches:
                self._work.membership.done(batch)
                self._reached("batch done")
        except LaneLost:
            self._metrics.stale_events.inc(events)
            raise
        finally:
            self._give_back(batches)
        self._work.reject_budget.earn(events)
        taken_s = (perf_counter() - began) / events
        self._s_per_event = (self._s_per_event + taken_s) / 2 if self._s_per_event else taken_s

    async def _apply(self, flush: Flush) -> None:
        await self._retrying(flush, flush.decode)
        self._work.reject_share.note(flush.records, flush.rejects)
        self._reached("decoded")
        await self._send_dead_letters(flush)
        self._reached("letters sent")
        while True:
            try:
                await self._retrying(flush, flush.apply_catalogue)
                await self._send_dead_letters(flush)
                self._reached("catalogue written")
                if await self._retrying(flush, flush.park):
                    await self._send_dead_letters(flush)
                    await self._retrying(flush, flush.apply_freed)
                outcome = await self._retrying(flush, lambda: flush.apply(lambda: self._require(flush)))
            except Exception as error:
                if is_unreadable(error):
                    await self._quarantine(flush, error)
                    continue
                if not is_poison(error):
                    raise
                await self._sift(flush, error)
            else:
                break
        await self._send_dead_letters(flush)
        await self._retrying(flush, flush.raise_progress)
        flush.count(outcome, self._work.outcomes)

    async def _quarantine(self, flush: Flush, error: Exception) -> None:
        """Put the users that can't be read in quarantine; raises `error` if there are none."""
        refuse_other_release(error)
        if not await self._retrying(flush, flush.quarantine_unreadable):
            raise error

    async def _sift(self, flush: Flush, error: Exception) -> None:
        """Take the events at fault out of the flush and send them as dead letters; raises `error` if there are none."""
        # By its kind only: the text of an unexpected error may quote an event.
        log.warning(
            "a flush fails, looking for the events at fault",
            partition=self.number,
            error=type(error).__name__,
        )
        budget = self._work.reject_budget
        found = await self._retrying(flush, lambda: flush.sift(budget.left))
        if not found:
            raise error
        budget.spend(found)
        await self._send_dead_letters(flush)

    async def _send_dead_letters(self, flush: Flush) -> None:
        start = perf_counter()
        for batch, rejects in flush.new_rejects():
            source = batch.source or kafka_source(self._work.cluster, batch.topic, batch.partition)
            await self._unless_told_to_end(self._work.dead_letters.send(batch.records, rejects, source))
            parked = sum(reject.reason == PARKED for reject in rejects)
            self._work.outcomes.add(batch.topic, "parked", parked)
            self._work.outcomes.add(batch.topic, "rejected", len(rejects) - parked)
            self._metrics.stage.labels("dead_letter").observe(perf_counter() - start)

    async def _unless_told_to_end(self, sending: Coroutine[Any, Any, None]) -> None:
        """Wait for letters, as long as it takes; but one that can't be sent holds up neither the other lanes nor the end,
        after which the flush is dropped, to be read again."""
        task = asyncio.ensure_future(sending)
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            async with self._others_turn():
                await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    await asyncio.wait({task}, timeout=LETTERS_GRACE_S)
            if not task.done():
                log.warning("dead letters can't be sent; their records are read again", partition=self.number)
                raise LaneLost
            task.result()
        finally:
            task.cancel()
            leaving.cancel()

    def _require(self, flush: Flush) -> None:
        if not self._work.membership.owns(flush.last):
            raise LaneLost

    def _reached(self, step: str) -> None:
        self._work.intake.failpoints.reached(step)

    async def _retrying(self, flush: Flush, call: Callable[[], Result]) -> Result:
        """Call in a thread, again while store or registry is away, with jittered backoff or after what it asks for."""
        patience_s = self._work.limits.store_patience_s
        try:
            async for attempt in stamina.retry_context(
                on=backoff,
                attempts=None,
                timeout=patience_s,
                wait_initial=0.1,
                wait_max=1.0,
                wait_jitter=0.5,
            ):
                with attempt:
                    result = await self._try(flush, call)
        except AWAY as error:
            raise DaemonError(
                f"{who_is_away(error)} unavailable for {patience_s:g} s (daemon.store_patience_s): {error}"
            ) from error
        return result

    async def _try(self, flush: Flush, call: Callable[[], Result]) -> Result:
        self._require(flush)
        try:
            result = await self._in_thread(call)
        except AWAY as error:
            if isinstance(error, StoreUnavailable):
                self._metrics.store_retries.inc()
            elif self._leaving.is_set():
                raise LaneLost from None  # nothing of the flush is done yet: it is read again
            if self.trouble is None:
                log.warning(
                    f"{who_is_away(error)} unavailable, waiting", partition=self.number, error=str(error)
                )
            self.trouble = f"{who_is_away(error)} unavailable: {error}"
            raise
        if self.trouble is not None:
            log.info("it is back", partition=self.number, was=self.trouble)
            self.trouble = None
        return result

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._work.executor, call)

    @asynccontextmanager
    async def _others_turn(self) -> AsyncIterator[None]:
        self._work.turn.release()
        try:
            yield
        finally:
            await self._work.turn.acquire()
