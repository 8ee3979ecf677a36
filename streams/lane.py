"""One lane: batches from the agents, into the store, in an order that loses nothing and applies nothing twice.

Per flush, which joins all batches at hand:

1. decode; what can't be decoded becomes a dead letter, sent and awaited;
2. catalogue changes first, so that the events beside them use the new content;
3. read states, drop what is below the users' watermarks, update, transfer, fuse (`streams.ingest`);
4. write users' points and wait for the store's answer;
5. return from `submit`, upon which the agent marks the batch done and its offset may be committed.

A store that is away is retried for ever with jittered backoff; meanwhile `submit` does not return, agents stand still,
and fetching pauses. Memory is bounded by `in_flight_events` and the consumer's own buffers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import stamina
import structlog

from sinks.errors import StoreUnavailable
from streams.columns import EventColumns, concatenate
from streams.dead_letters import DeadLetters
from streams.decode import DecodedItems, decode_events, decode_items
from streams.event import Reject
from streams.ingest import OUTCOMES, Outcome
from streams.watermarks import kafka_source
from streams.workspace import Workspace
from transfer.config import ACTIONS

log = structlog.get_logger(__name__)

ITEMS = "items"


@dataclass(eq=False, slots=True)
class Batch:
    """Records of one partition and fetch, on their way. kind: an action, or ITEMS."""

    kind: str
    topic: str
    partition: int
    records: Sequence[Any]
    done: asyncio.Future[None] = field(init=False)
    columns: EventColumns | None = None
    items: DecodedItems | None = None
    rejects: list[Reject] = field(default_factory=list)


class Lane:
    """Takes batches from several agents and applies them in flushes, one at a time."""

    def __init__(
        self,
        workspace: Workspace,
        dead_letters: DeadLetters,
        *,
        cluster: str,
        in_flight_events: int,
        max_future_s: float,
        now: Callable[[], float],
    ) -> None:
        self._workspace = workspace
        self._dead_letters = dead_letters
        self._metrics = workspace.metrics
        self._cluster = cluster
        self._room = in_flight_events
        self._limit = in_flight_events
        self._max_future_s = max_future_s
        self._now = now
        self._waiting: list[Batch] = []
        self._changed = asyncio.Condition()
        self._closing = False
        self._busy = False
        self._forget = False
        # One thread: the model and the store take turns, and the event loop stays free for heartbeats.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self.trouble: str | None = None
        """Why nothing can be written at the moment, for /ready."""

    async def submit(self, batch: Batch) -> bool:
        """True when the batch is durable; False if the lane closed before it was taken: then it must not be marked."""
        batch.done = asyncio.get_running_loop().create_future()
        size = min(len(batch.records), self._limit)
        async with self._changed:
            await self._changed.wait_for(lambda: self._room >= size or self._closing)
            if self._closing:
                return False
            self._room -= size
            self._waiting.append(batch)
            self._changed.notify_all()
        try:
            await batch.done
            return True
        finally:
            async with self._changed:
                self._room += size
                self._changed.notify_all()

    async def run(self) -> None:
        """Flush until `close`; an error that is not the store's absence ends it, and with it the daemon."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                flush, self._waiting = self._waiting, []
                self._busy = True
            try:
                await self._flush(flush)
            except BaseException as error:
                for batch in flush:
                    if not batch.done.done():
                        batch.done.set_exception(
                            error if isinstance(error, Exception) else RuntimeError("lane ended")
                        )
                        batch.done.exception()  # seen: the agent may be gone already
                raise
            finally:
                async with self._changed:
                    self._busy = False
                    self._changed.notify_all()
            for batch in flush:
                if not batch.done.done():
                    batch.done.set_result(None)

    async def close(self) -> None:
        """Take nothing new and return when what was taken is durable."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self.idle)

    def shutdown(self) -> None:
        """Let go of the thread; a call that still waits for the store is left to the end of the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def forget_users(self) -> None:
        """Before the next flush read states from the store again: after a rebalance others may have written them."""
        self._forget = True

    @property
    def idle(self) -> bool:
        """Nothing taken and not yet durable."""
        return not self._waiting and not self._busy

    async def _flush(self, flush: list[Batch]) -> None:
        await self._in_thread(self._decode, flush)
        rejected = [batch for batch in flush if batch.rejects]
        if rejected:
            start = perf_counter()
            for batch in rejected:
                await self._dead_letters.send(batch.records, batch.rejects)
                self._metrics.events.labels(batch.topic, "rejected").inc(len(batch.rejects))
            self._metrics.stage.labels("dead_letter").observe(perf_counter() - start)
        async for attempt in stamina.retry_context(
            on=StoreUnavailable, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=1.0
        ):
            with attempt:
                try:
                    await self._in_thread(self._apply, flush)
                except StoreUnavailable as error:
                    self._metrics.store_retries.inc()
                    if self.trouble is None:
                        log.warning("store unavailable, waiting", error=str(error))
                    self.trouble = f"store unavailable: {error}"
                    raise
        if self.trouble is not None:
            log.info("store is back")
            self.trouble = None

    def _decode(self, flush: list[Batch]) -> None:
        start, now = perf_counter(), self._now()
        for batch in flush:
            values = [record.value for record in batch.records]
            if batch.kind == ITEMS:
                batch.items = decode_items(values, keys=[record.key for record in batch.records])
                batch.rejects = batch.items.rejects
                continue
            decoded = decode_events(
                values,
                offsets=np.array([record.offset for record in batch.records], np.int64),
                action=ACTIONS.index(batch.kind),
                source=kafka_source(self._cluster, batch.topic, batch.partition),
                now=now,
                max_future_s=self._max_future_s,
            )
            batch.columns, batch.rejects = decoded.columns, decoded.rejects
        self._metrics.stage.labels("decode").observe(perf_counter() - start)

    def _apply(self, flush: list[Batch]) -> None:
        if self._forget:
            self._forget = False
            self._workspace.cache.clear()
        for batch in flush:
            if batch.items is not None:
                self._workspace.catalogue.upsert(batch.items.rows)
                self._workspace.catalogue.delete(batch.items.deletes)
        events = [batch for batch in flush if batch.columns is not None and len(batch.columns)]
        if not events:
            return
        outcome = self._workspace.ingest.apply(
            concatenate([b.columns for b in events if b.columns is not None])
        )
        self._count(events, outcome)

    def _count(self, events: list[Batch], outcome: Outcome) -> None:
        now, start = self._now(), 0
        for batch in events:
            assert batch.columns is not None
            code = outcome.code[start : start + len(batch.columns)]
            start += len(batch.columns)
            for name, count in zip(
                OUTCOMES, np.bincount(code, minlength=len(OUTCOMES)).tolist(), strict=True
            ):
                if count:
                    self._metrics.events.labels(batch.topic, name).inc(count)
            sent = np.array([record.timestamp for record in batch.records]) / 1000
            self._metrics.freshness.observe_all(np.maximum(0.0, now - sent))

    async def _in_thread(self, call: Callable[[list[Batch]], None], flush: list[Batch]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call, flush)
