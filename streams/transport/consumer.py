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
from contextlib import suppress
from typing import Any

import faust
from aiokafka.errors import ConsumerStoppedError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.serializers import codecs
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message

from streams.transport.fetching import FetchBounds, Taken, Taker, unpack_in_pieces

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
        "_auto_offset_reset",
        "_isolation_level",
        "_coordinator",
        "_fetcher",
        "_subscription",
    ),
    # from here to PartitionRecords: streams/transport/fetching.py
    "aiokafka.consumer.fetcher:Fetcher": (
        "_records",
        "_subscriptions",
        "_closed",
        "_wait_consume_future",
        "_create_fetch_waiter",
        "_notify",
    ),
    "aiokafka.consumer.fetcher:FetchResult": ("_partition_records", "_update_position", "check_assignment"),
    "aiokafka.consumer.fetcher:FetchError": ("_error",),
    "aiokafka.consumer.fetcher:PartitionRecords": (
        "_records",
        "_consumer_record",
        "_check_crcs",
        "_isolation_level",
    ),
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
    """Faust's consumer thread with a shorter wait of its fetches, an isolation level, and records taken within bounds."""

    app: BatchApp
    surprised = False
    """The broker knew nothing of a partition, or another one leads it now: its topic may be another one."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        unpack_in_pieces()
        consumer = super()._create_worker_consumer(transport)
        self._taker = Taker(self.app.fetch_bounds, self.app.conf.consumer_auto_offset_reset)
        for name, value in (
            ("_fetch_max_wait_ms", FETCH_WAIT_MS),
            ("_isolation_level", self.app.isolation),
            # A position that the log does not hold is told (streams/transport/fetching.py) instead of being moved in silence.
            ("_auto_offset_reset", "none"),
        ):
            if not hasattr(consumer, name):
                raise AttributeError(
                    f"aiokafka's consumer has no {name} any more; see streams/transport/consumer.py"
                )
            setattr(consumer, name, value)
        self._stamp_commits(consumer)
        self._note_surprises(consumer._client)
        return consumer

    def _note_surprises(self, client: Any) -> None:
        """Whoever asks the client for new metadata at once met a partition that is not where, or what, it was."""
        update = client.force_metadata_update

        def noted() -> Any:
            self.surprised = True
            return update()

        client.force_metadata_update = noted

    def _stamp_commits(self, consumer: Any) -> None:
        """Write the app's `commit_metadata` beside every offset; Faust writes nothing there."""
        commit = consumer.commit

        async def stamped(offsets: Mapping[Any, Any]) -> None:
            metadata = self.app.commit_metadata
            marked = {tp: OffsetAndMetadata(there.offset, metadata) for tp, there in offsets.items()}
            try:
                await commit(marked)
            except TopicAuthorizationFailedError:
                # Of one topic, which `unreadable` tells: the others' offsets are committed all the same.
                for topic in {tp.topic for tp in marked}:
                    with suppress(TopicAuthorizationFailedError):
                        await commit({tp: there for tp, there in marked.items() if tp.topic == topic})

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

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        with fetcher._subscriptions.fetch_context():
            most = max_records or self.app.fetch_bounds.records
            return await self._taker.take(fetcher, active_partitions, timeout or 0.0, most)


_EPOCH = "driftline-epoch"


class BatchConsumer(driver.Consumer):
    """Hands over whole fetched lists and commits one processed-offset mark per partition.

    Guarantee: an offset is committed only after `mark_done` was called for a batch that ends at or after it, in the
    same generation. Batches of one partition must be finished in the order in which they were handed over.
    """

    app: BatchApp
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._passed: dict[
            TP, int
        ] = {}  # next offset to fetch, once all that was fetched before is handed over
        self._first: dict[TP, int] = {}  # the first of them
        self._handed: dict[TP, int] = {}  # next offset after the last record handed over
        self._before: dict[TP, int] = {}  # where the partition had got before that
        self._processed: dict[TP, int] = {}  # next offset after the last batch marked done
        self._confirmed: dict[TP, int] = {}  # what the broker acknowledged of it
        self._epoch = 0  # counts assignments; a generation can come again after the broker lost the group
        self._settling = False
        self._starts: dict[TP, int] = {}  # where the app said that the partitions begin
        self._held: set[TP] = set()
        self._placing: asyncio.Task[None] | None = None
        self._crashing: asyncio.Future[Any] | None = None
        self._out_of_range: dict[TP, int] = {}
        self.unreadable: dict[TP, Exception] = {}
        """Why a partition can't be read at present; it is tried again every second."""
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        consumer_stops, fetcher_stops = self._stopped.is_set, fetcher._stopped.is_set
        astray = False  # something was fetched and not handed over
        try:
            while not (consumer_stops() or fetcher_stops()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as Faust itself does
                if astray and not self.should_stop:
                    await self._read_again()
                epoch = self._epoch
                records, active = await self._wait_next_records(1.0)
                await self.sleep(0)
                astray = not self.flow_active or epoch != self._epoch  # fetched across a rebalance
                if self.should_stop or astray or not isinstance(records, Taken):
                    continue
                if self._thread.surprised and self.app.before_surprising is not None:
                    self._thread.surprised = False
                    await self.app.before_surprising()
                astray = not await self._hand_over(records, active)
                pause_s = getattr(self.app, "fetch_linger_s", 0.0)
                most = self.app.conf.broker_max_poll_records // 10
                if pause_s and records and sum(map(len, records.values())) < most:
                    await self.sleep(pause_s)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except BaseException:
            if not self.transport.app.should_stop:
                raise

    async def _hand_over(self, records: Taken, active: set[TP] | None) -> bool:
        """Give each list to its agent; False: not all of them, so that the rest has to be read again."""
        generation = self.app.consumer_generation_id
        self._note_errors(records)
        # Of all partitions before the first of them is waited for: they are taken, and count as lag.
        for fetched_tp, batch in records.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            self._passed.setdefault(tp, batch[0].offset)
            self._first.setdefault(tp, batch[0].offset)
        for fetched_tp, batch in records.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if tp in self._held:
                continue
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return False
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                return False
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
            self._before[tp] = self._reached(tp)
            self._handed[tp] = last.offset + 1
            # Raced against suspend_flow as in Faust's own loop: a rebalance must not wait for a full queue.
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            self._read_offset[tp] = last.offset
        if not self.flow_active:
            return False
        for fetched_tp, position in records.positions.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if tp not in self._held and (active is None or tp in active):
                self._passed[tp] = position
                self._first.setdefault(tp, position)
        return True

    def _note_errors(self, taken: Taken) -> None:
        """Tell the app of partitions that can't be read, and of those whose log begins behind where we were."""
        for fetched_tp in taken.mended:
            self.unreadable.pop(TP(fetched_tp.topic, fetched_tp.partition), None)
        for fetched_tp, error in taken.errors.items():
            self.unreadable[TP(fetched_tp.topic, fetched_tp.partition)] = error
        for fetched_tp, position in taken.out_of_range.items():
            self._out_of_range[TP(fetched_tp.topic, fetched_tp.partition)] = position
        for tp, was in list(self._out_of_range.items()):
            fetched_tp = driver.ensure_aiokafka_TP(tp)
            batch = taken.get(fetched_tp)
            now = batch[0].offset if batch else taken.positions.get(fetched_tp)
            if now is not None:
                del self._out_of_range[tp]
                if self.app.on_out_of_range is not None:
                    self.app.on_out_of_range(tp, was, now)

    async def _read_again(self) -> None:
        """Go back to what was not handed over."""
        if self.app.positions is None:
            await self.perform_seek()
            return
        await self._thread.go_to(
            {
                tp: max(start, self._passed.get(tp, 0), self._handed.get(tp, 0))
                for tp, start in self._starts.items()
            }
        )

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

    def reached(self) -> dict[TP, int]:
        """Next offset that is still to be processed, by partition.

        Where all that was handed over is done, it lies behind what leaves no record to process: markers of transactions,
        aborted records, what compaction took.
        """
        return {tp: self._reached(tp) for tp in self._passed}

    def _reached(self, tp: TP) -> int:
        passed = self._passed[tp]
        handed, done = self._handed.get(tp), self._processed.get(tp, -1)
        if handed is None or done >= handed:
            return max(passed, done)
        return max(done, self._before[tp])

    def end(self, tp: TP) -> int | None:
        """Where the partition ends for us, as the latest fetch told: before the first open transaction, if only what is
        committed is read. None before the first fetch.

        Never by ListOffsets: the embedded broker answers that one wrongly.
        """
        state = self._state(tp)
        if state is None or state.highwater is None:
            return None
        committed = self.app.isolation == "read_committed" and state.lso is not None and state.lso >= 0
        return int(min(state.lso, state.highwater) if committed else state.highwater)

    def held_back(self, tp: TP) -> int:
        """Records behind `end`: of transactions that are open, and what came after them."""
        end = self.end(tp)
        return 0 if end is None else max(0, self._state(tp).highwater - end)

    def lag(self) -> dict[TP, int | None]:
        """Offsets between what is processed and the end of each assigned partition; None until a fetch has told the end."""
        lags: dict[TP, int | None] = {}
        for tp in self.assignment():
            end = self.end(tp)
            lags[tp] = None if end is None or tp not in self._passed else max(0, end - self._reached(tp))
        return lags

    def _state(self, tp: TP) -> Any:
        client = self._thread._ensure_consumer()
        assignment = client._subscription.subscription and client._subscription.subscription.assignment
        tp = driver.ensure_aiokafka_TP(tp)
        return assignment.state_value(tp) if assignment and tp in assignment.tps else None

    # -- offsets: Faust asks these when it commits

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        moved = [tp for tp in self._passed if self._has_moved(tp)]
        return iter([tp for tp in moved if topics is None or tp in topics or tp.topic in topics])

    def _has_moved(self, tp: TP) -> bool:
        """Whether there is something to commit: where nothing was handed over, a log that begins late is behind us, too."""
        reached = self._reached(tp)
        return tp in self._processed or reached > self._first[tp] or (tp not in self._handed and reached > 0)

    def _new_offset(self, tp: TP) -> int | None:
        self._acked.pop(tp, None)  # what Faust noted itself; unused
        self._acked_index.pop(tp, None)
        return self._reached(tp) if tp in self._passed else None

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
        self._passed.update(positions)
        self._first.update(positions)
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
        for tp in revoked:
            for marks in (
                self._passed,
                self._first,
                self._handed,
                self._before,
                self._processed,
                self._confirmed,
            ):
                marks.pop(tp, None)
            self._out_of_range.pop(tp, None)
            self.unreadable.pop(tp, None)


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
    on_out_of_range: Callable[[TP, int, int], None] | None = None
    """Called with a partition, the offset that was to be read and that the log does not hold, and the one read instead."""
    before_surprising: Callable[[], Awaitable[None]] | None = None
    """Awaited before records are handed over that came after the broker knew nothing of a partition, or it was another one's
    to lead: the place to see whether topics are still the same, and to `hold` those that are not."""
    commit_metadata: str = ""
    """Written beside every committed offset."""
    isolation: str = "read_committed"
    """Or "read_uncommitted": records of open and aborted transactions too."""
    fetch_bounds: FetchBounds = FetchBounds()
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
        """A topic whose stream yields lists of raw records (`streams.transport.record`)."""
        return self.topic(
            *names, value_type=None, value_serializer=RAW_CODEC, key_type=None, key_serializer=RAW_CODEC
        )
