"""A Faust app whose agents receive whole fetches: one list of raw records per topic-partition and fetch.

Faust's own consumer makes a message, two tasks and a queue entry of every record and costs about 140 us of CPU an event;
handed over as lists a record costs about two. Usable with any Faust app:

    app = BatchApp("shop", broker="kafka://127.0.0.1:9092", topic_disable_leader=True)
    topic = app.batch_topic("clicks")

    @app.agent(topic)
    async def clicks(stream):
        async for records in stream:                       # list of FetchedRecord, one partition, in order
            batch = stream.current_event.message
            ...                                            # make the work durable
            app.consumer.mark_done(batch)                  # only now may its offset be committed

An agent may also hand the batch on and take the next one at once: what is marked, and when, is its own affair, as long as
the batches of one partition are finished in order. Before partitions are taken away `app.before_revoke` is awaited, so that
what is under way can be finished and marked.

What Faust does with offsets does not suit batches: it wants every single offset acked, acks in a `finally` whatever
happened, and forgets acked offsets in a rebalance before it commits them. So one processed-offset mark per partition is
kept here, moved by `mark_done` alone, and what was confirmed of it; everything else (assignment, rebalance, heartbeat,
flow control) stays Faust's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import faust
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.serializers import codecs
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message

from streams.fetched_record import unpack_cheaply

RAW_CODEC = "driftline-raw"
AskPositions = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]

#: The private names of Faust (and of aiokafka below it) that this file relies on; a test checks that they still exist.
PRIVATE_NAMES: dict[str, tuple[str, ...]] = {
    "faust.transport.consumer:Consumer": (
        "_drain_messages",
        "_wait_next_records",
        "_filter_tps_with_pending_acks",
        "_committed_offset",
        "_new_offset",
        "_should_commit",
        "_commit",
        "_read_offset",
        "_acked",
        "_acked_index",
        "_buffered_partitions",
    ),
    "faust.transport.consumer:ThreadDelegateConsumer": ("_thread",),
    "faust.transport.drivers.aiokafka:Consumer": ("_new_consumer_thread",),
    "mode.services:Service": ("_stopped",),
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread": (
        "_create_worker_consumer",
        "_ensure_consumer",
        "_fetch_records",
    ),
    "faust.app.base:App": ("_new_transport", "_create_directories"),
    "aiokafka.consumer.consumer:AIOKafkaConsumer": (
        "_fetch_max_wait_ms",
        "_coordinator",
        "_fetcher",
        "_subscription",
    ),
    "aiokafka.consumer.fetcher:Fetcher": (
        "_records",
    ),  # this one and the next two: streams/fetched_record.py
    "aiokafka.consumer.fetcher:FetchResult": ("_partition_records",),
    "aiokafka.consumer.fetcher:PartitionRecords": ("_consumer_record",),
    "aiokafka.consumer.group_coordinator:GroupCoordinator": (
        "generation",
        "coordinator_id",
        "request_rejoin",
    ),
}


class _Raw(codecs.Codec):
    """Bytes stay bytes; a list of records passes through."""

    def _dumps(self, obj: Any) -> Any:
        return obj

    def _loads(self, s: Any) -> Any:
        return s


codecs.register(RAW_CODEC, _Raw())


FETCH_WAIT_MS = 200
"""How long the broker may hold a fetch back for want of records. Faust says 1.5 s; but a fetch that waits on idle partitions
holds up the next one of a busy partition on the same broker, and the embedded broker sits out half of it."""


PLACE_S = 45.0
"""How long an assignment may wait for the app's word on where to begin before the app goes on without these partitions."""


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a shorter wait of its fetches and cheaper records."""

    app: BatchApp

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_fetch_max_wait_ms"):
            raise AttributeError(
                "aiokafka's consumer has no _fetch_max_wait_ms any more; see streams/transport.py"
            )
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        self._stamp_commits(consumer)
        return consumer

    def _stamp_commits(self, consumer: Any) -> None:
        """Write the app's `commit_metadata` beside every offset; Faust writes nothing there."""
        commit = consumer.commit

        async def stamped(offsets: Mapping[Any, Any]) -> None:
            metadata = self.app.commit_metadata
            await commit({tp: OffsetAndMetadata(there.offset, metadata) for tp, there in offsets.items()})

        consumer.commit = stamped

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Fetch from these offsets next; of partitions that are not assigned any more nothing."""
        consumer = self._ensure_consumer()

        async def seek() -> None:
            assigned = consumer.assignment()
            for tp, offset in positions.items():
                if driver.ensure_aiokafka_TP(tp) in assigned:
                    consumer.seek(driver.ensure_aiokafka_TP(tp), offset)

        await self.call_thread(seek)

    async def rejoin(self) -> None:
        """Let the group assign anew, as if a member had come."""
        coordinator = self._ensure_consumer()._coordinator

        async def ask() -> None:
            coordinator.request_rejoin()

        await self.call_thread(ask)

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        unpack_cheaply(consumer._fetcher)
        return await super()._fetch_records(consumer, *args, **kwargs)


_EPOCH = "driftline-epoch"


class BatchConsumer(driver.Consumer):
    """Hands over whole fetched lists and commits one processed-offset mark per partition.

    Guarantee: an offset is committed only after `mark_done` was called for a batch that ends at or after it, in the
    same generation. Batches of one partition must be finished in the order in which they were handed over.
    """

    app: BatchApp
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._begun: dict[TP, int] = {}  # offset of the first record taken from the client
        self._processed: dict[TP, int] = {}  # next offset after the last batch marked done
        self._confirmed: dict[TP, int] = {}  # what the broker acknowledged of it
        self._epoch = 0  # counts assignments; a generation can come again after the broker lost the group
        self._settling = False
        self._starts: dict[TP, int] = {}  # where the app said that the partitions begin
        self._held: set[TP] = set()
        self._placing: asyncio.Task[None] | None = None
        self._crashing: asyncio.Future[Any] | None = None
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        consumer_stops, fetcher_stops = self._stopped.is_set, fetcher._stopped.is_set
        try:
            while not (consumer_stops() or fetcher_stops()):
                records, active = await self._wait_next_records(1.0)
                await self.sleep(0)
                if self.should_stop or not records:
                    continue
                if not self.flow_active:
                    # fetched across a rebalance: read it again
                    await self._read_again()
                    continue
                await self._hand_over(records, active)
                pause_s = getattr(self.app, "fetch_linger_s", 0.0)
                if pause_s and sum(map(len, records.values())) < self.app.conf.broker_max_poll_records // 10:
                    await self.sleep(pause_s)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except BaseException:
            if not self.transport.app.should_stop:
                raise

    async def _hand_over(self, records: Mapping[Any, list[Any]], active: set[TP] | None) -> None:
        generation = self.app.consumer_generation_id
        # Of all partitions before the first of them is waited for: they are taken, and count as lag.
        for fetched_tp, batch in records.items():
            self._begun.setdefault(TP(fetched_tp.topic, fetched_tp.partition), batch[0].offset)
        for fetched_tp, batch in records.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if tp in self._held:
                continue
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            read_offset = self._read_offset[tp]
            if read_offset is not None and batch[0].offset < read_offset:
                batch = [record for record in batch if record.offset >= read_offset]
                if not batch:
                    continue
            last = batch[-1]
            message = ConsumerMessage(
                tp.topic,
                tp.partition,
                last.offset,
                last.timestamp / 1000,
                last.timestamp_type,
                [(_EPOCH, self._epoch)],  # type: ignore[list-item]  # no record's headers: each record has its own
                b"",
                batch,  # type: ignore[arg-type]  # a list of records where Faust has one record's bytes
                None,
                0,
                0,
                tp,
                generation_id=generation,
            )
            # Raced against suspend_flow as in Faust's own loop: a rebalance must not wait for a full queue.
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            self._read_offset[tp] = last.offset

    async def _read_again(self) -> None:
        """Go back to what was not handed over."""
        if self.app.positions is None:
            await self.perform_seek()
            return
        await self._thread.go_to({tp: self._processed.get(tp, start) for tp, start in self._starts.items()})

    # -- what an agent calls

    def mark_done(self, message: Message) -> None:
        """Note that a batch is durable, so that its offset may be committed.

        Not done in `ack`: Faust's compiled streams never call it, and Faust acks a batch that raised as well. A batch of an
        earlier assignment is ignored: another worker may hold the partition, and a commit could go backwards.
        """
        settled = self._settling and _epoch(message) == self._epoch - 1
        if self.owns(message) and (settled or _epoch(message) == self._epoch):
            self._processed[message.tp] = max(self._processed.get(message.tp, 0), message.offset + 1)

    def is_current(self, message: Message) -> bool:
        """Whether the batch is of the present assignment. If not, drop it: whoever holds the partition reads it again.

        Once false for a batch it stays so, and is so for every later batch of its partition and assignment.
        """
        return not self._settling and _epoch(message) == self._epoch and self.owns(message)

    def owns(self, message: Message) -> bool:
        """Whether the batch's generation is still the group's: the client knows it seconds before the Faust app does.

        Also true while a rebalance waits in `before_revoke` for what is under way. May be called from any thread.
        """
        try:
            coordinator = self._thread._ensure_consumer()._coordinator
        except ConsumerNotStarted:  # or has ended
            return False
        return bool(message.generation_id == self.app.consumer_generation_id == coordinator.generation)

    @property
    def has_coordinator(self) -> bool:
        """Whether the group's broker answers: the client forgets it upon the first heartbeat that fails."""
        return self._thread._ensure_consumer()._coordinator.coordinator_id is not None

    def processed(self) -> dict[TP, int]:
        """Next offset to be processed, for each partition that had a batch."""
        return dict(self._processed)

    def lag(self) -> dict[TP, int | None]:
        """Records between what is processed and the end of each assigned partition; None until a fetch has told the end.

        By the high watermark of fetches, never by ListOffsets: the embedded broker answers that one wrongly.
        """
        lags: dict[TP, int | None] = {}
        for tp in self.assignment():
            end = self.highwater(tp)
            at = self._processed.get(tp)
            if at is None:
                at = self._position(tp)
            lags[tp] = None if end is None or at is None else max(0, end - at)
        return lags

    def _position(self, tp: TP) -> int | None:
        """Where a partition began of which nothing was finished yet: the first record taken, else the next fetch."""
        if tp in self._begun:
            return self._begun[tp]
        client = self._thread._ensure_consumer()
        assignment = client._subscription.subscription and client._subscription.subscription.assignment
        state = assignment and assignment.state_value(driver.ensure_aiokafka_TP(tp))
        return int(state.position) if state is not None and state.has_valid_position else None

    # -- offsets: Faust asks these when it commits

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self._processed if topics is None or tp in topics or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        self._acked.pop(tp, None)  # what Faust noted itself; unused
        self._acked_index.pop(tp, None)
        return self._processed.get(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return offset > self._confirmed.get(tp, -1)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        before_commit = getattr(self.app, "before_commit", None)
        if before_commit is not None:
            await before_commit()
        committed = bool(await super()._commit(offsets))
        if committed:
            self._confirmed.update(offsets)
        return committed

    async def perform_seek(self) -> None:
        """Go to where the assigned partitions begin: where the app says, else to what is committed.

        Called by Faust at each assignment, before records flow, with a deadline of a minute or two. What the app asks for
        may be away for longer, so after `PLACE_S` the partitions are paused, and go on when it has answered.
        """
        if self.app.positions is None:
            await self._seek_to_committed()
            return
        self._stop_placing()
        self._placing = placing = asyncio.create_task(self._place(self.app.positions, self._epoch))
        done, _ = await asyncio.wait({placing}, timeout=PLACE_S)
        if not done:
            self.pause_partitions(self.assignment())
            placing.add_done_callback(self._placed_late)
        elif not placing.cancelled():
            placing.result()

    async def _place(self, ask: AskPositions, epoch: int) -> None:
        assigned = set(self.assignment())
        positions = await ask(assigned)
        if epoch != self._epoch:
            return
        self._starts = dict(positions)
        await self._thread.go_to(positions)
        self._read_offset.update(positions)
        # So that whoever looks at the group sees at once where it stands, and whose it is.
        await self._commit(positions)
        if epoch == self._epoch:
            self.resume_partitions(assigned)

    def _placed_late(self, placing: asyncio.Task[None]) -> None:
        if not placing.cancelled() and (error := placing.exception()) is not None:
            self._crashing = asyncio.ensure_future(self.crash(error))

    def _stop_placing(self) -> None:
        if self._placing is not None:
            self._placing.cancel()

    async def rejoin(self) -> None:
        """Have the partitions assigned anew, so that they are placed anew; the whole group does."""
        await self._thread.rejoin()

    def hold(self, tp: TP) -> None:
        """Hand over nothing more of the partition until it is assigned anew."""
        self._held.add(tp)

    async def _seek_to_committed(self) -> None:
        """Go back to what is committed, and to the beginning where that is nothing.

        aiokafka seeks to committed offsets above 0 only. Left where it is, a partition without one would skip what was
        fetched across a rebalance and dropped.
        """
        await super().perform_seek()
        if self.app.conf.consumer_auto_offset_reset == "earliest":
            uncommitted = [tp for tp in self.assignment() if not self._committed_offset.get(tp)]
            if uncommitted:
                await self._thread.seek_to_beginning(*map(driver.ensure_aiokafka_TP, uncommitted))

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        self._epoch += 1  # what was handed over so far and is not under way yet is read again
        self._stop_placing()
        self._settling = True  # as is what is handed over until the flow stops
        try:
            before_revoke = getattr(self.app, "before_revoke", None)
            if before_revoke is not None:
                await before_revoke()
            await super().on_partitions_revoked(revoked)  # stops the flow, waits for agents at work, commits
        finally:
            self._settling = False
            self._epoch += 1
        self._starts.clear()
        self._held.clear()
        for marks in (self._begun, self._processed, self._confirmed):
            for tp in revoked:
                marks.pop(tp, None)


def _epoch(message: Message) -> Any:
    return dict(message.headers or ()).get(_EPOCH)


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer


class BatchApp(faust.App):
    """A Faust app on the batch transport.

    `before_revoke`, if set, is awaited before partitions are taken away: finish and mark what is under way, within the
    rebalance time-out. `before_commit`, if set, is awaited before offsets that were marked by then are committed.
    """

    before_revoke: Callable[[], Awaitable[None]] | None = None
    before_commit: Callable[[], Awaitable[None]] | None = None
    positions: AskPositions | None = None
    """Asked at each assignment for the next offset of every assigned partition, in place of the group's committed offsets.
    It may wait as long as it has to; nothing is handed over meanwhile. What it raises ends the app."""
    commit_metadata: str = ""
    """Written beside every committed offset."""
    fetch_linger_s: float = 0.0
    """Pause after a fetch of less than a tenth of what it may hold, in which records gather: to hand over a batch costs some
    0.2 ms, however small it is."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """Faust makes a folder beside the process for every app; tables in memory, or none, need no such thing, and the
        folder that the process was started in may not be writable."""
        if self.conf.store.scheme != "memory":
            super()._create_directories()

    def batch_topic(self, *names: str) -> Any:
        """A topic whose stream yields lists of raw records (`streams.fetched_record`)."""
        return self.topic(
            *names, value_type=None, value_serializer=RAW_CODEC, key_type=None, key_serializer=RAW_CODEC
        )
