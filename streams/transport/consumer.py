"""Faust's consumer, handing over whole fetches and committing what was finished.

What Faust does with offsets does not suit batches; see `streams.transport.app`. How far each partition is stands in
`streams.transport.offset_marks`, moved by `mark_done` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message

from streams.transport.consumer_thread import BatchConsumerThread
from streams.transport.fetching import Taken
from streams.transport.hooks import AskPositions, HookedApp
from streams.transport.offset_marks import OffsetMarks
from streams.transport.partition_ends import held_back, partition_end
from streams.transport.partition_errors import PartitionErrors

PLACE_S = 45.0
"""How long an assignment may wait for the app's word on where to begin before the app continues without these partitions."""
_EPOCH = "driftline-epoch"


class BatchConsumer(driver.Consumer):
    """Hands over whole fetched lists and commits one processed-offset mark per partition.

    Guarantee: an offset is committed only after `mark_done` was called for a batch that ends at or after it, in the
    same generation. Batches of one partition must be finished in the order in which they were handed over.
    """

    app: HookedApp
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._marks = OffsetMarks()
        self._sent_at: dict[TP, float] = {}
        self._errors = PartitionErrors()
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
        self._errors.note(records, self.app.on_out_of_range)
        placed = all(map(self._is_placed, records))
        # Of all partitions before the first of them is waited for: they are taken, and count as lag.
        for fetched_tp, batch in records.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if not self._is_placed(tp):
                continue
            self._marks.see(tp, batch[0].offset)
            self._sent_at.setdefault(tp, batch[0].timestamp / 1000)
        for fetched_tp, batch in records.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if tp in self._held or not self._is_placed(tp):
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
            self._marks.hand_over(tp, last.offset + 1)
            # Raced against suspend_flow as in Faust's own loop: a rebalance must not wait for a full queue.
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            self._read_offset[tp] = last.offset
        if not self.flow_active:
            return False
        for fetched_tp, position in records.positions.items():
            tp = TP(fetched_tp.topic, fetched_tp.partition)
            if tp not in self._held and self._is_placed(tp) and (active is None or tp in active):
                self._marks.pass_to(tp, position)
        return placed

    def _is_placed(self, tp: Any) -> bool:
        """Whether a partition is where the app says that it begins: of two rebalances at once Faust lets records flow after the
        first, when nobody has asked about the second's partitions yet."""
        return self.app.positions is None or TP(tp.topic, tp.partition) in self._starts

    async def _read_again(self) -> None:
        """Go back to what was not handed over."""
        if self.app.positions is None:
            await self.perform_seek()
            return
        await self._thread.go_to({tp: self._marks.to_fetch(tp, start) for tp, start in self._starts.items()})

    # -- what an agent calls

    def mark_done(self, message: Message) -> None:
        """Note that a batch is durable, so that its offset may be committed.

        Not done in `ack`: Faust's compiled streams never call it, and Faust acks a batch that raised as well. A batch of an
        earlier assignment is ignored: another worker may hold the partition, and a commit could go backwards.
        """
        settled = self._settling and _epoch(message) == self._epoch - 1
        if self.owns(message) and (settled or _epoch(message) == self._epoch):
            self._marks.finish(message.tp, message.offset + 1)
            self._sent_at[message.tp] = message.timestamp

    def is_current(self, message: Message) -> bool:
        """Whether the batch is of the present assignment. If not, drop it: the worker that holds the partition reads it again.

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
        """Whether the group's broker answers: the client forgets it on the first heartbeat that fails."""
        return self._thread._ensure_consumer()._coordinator.coordinator_id is not None

    @property
    def unreadable(self) -> dict[TP, Exception]:
        """Why a partition can't be read at present; it is tried again every second."""
        return self._errors.unreadable

    def reached(self) -> dict[TP, int]:
        """Next offset that is still to be processed, by partition; see `OffsetMarks.reached`."""
        return {tp: self._marks.reached(tp) for tp in self._marks}

    def sent_at(self, tp: TP) -> float | None:
        """When the newest record that is done was sent (unix seconds); while none is, the first one that waits."""
        return self._sent_at.get(tp)

    def end(self, tp: TP) -> int | None:
        """Where the partition ends for us, None before the first fetch; see `streams.transport.partition_ends`."""
        return partition_end(self._thread._ensure_consumer(), tp, self.app.isolation)

    def held_back(self, tp: TP) -> int:
        """Records behind `end`: of transactions that are open, and what came after them."""
        return held_back(self._thread._ensure_consumer(), tp, self.app.isolation)

    def lag(self) -> dict[TP, int | None]:
        """Offsets between what is processed and the end of each assigned partition; None until a fetch has reported the end."""
        lags: dict[TP, int | None] = {}
        for tp in self.assignment():
            end = self.end(tp)
            lags[tp] = None if end is None or tp not in self._marks else max(0, end - self._marks.reached(tp))
        return lags

    # -- offsets: Faust asks these when it commits

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        moved = [tp for tp in self._marks if self._marks.has_moved(tp)]
        return iter([tp for tp in moved if topics is None or tp in topics or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        self._acked.pop(tp, None)  # what Faust noted itself; unused
        self._acked_index.pop(tp, None)
        return self._marks.reached(tp) if tp in self._marks else None

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return self._marks.is_news(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        before_commit = getattr(self.app, "before_commit", None)
        if before_commit is not None:
            await before_commit()
        committed = bool(await super()._commit(offsets))
        if committed:
            self._marks.confirm(offsets)
        return committed

    async def perform_seek(self) -> None:
        """Go to where the assigned partitions begin: where the app says, else to what is committed.

        Called by Faust at each assignment, before records flow, with a deadline of a minute or two. What the app asks for
        may be away for longer, so after `PLACE_S` the partitions are paused, and continue when it has answered.
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
        self._marks.place(positions)
        await self._thread.go_to(positions)
        self._read_offset.update(positions)
        # So that tools that look at the group see at once where it stands, and whose it is.
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
        """Have the partitions assigned again, so that they are placed again; the whole group does."""
        await self._thread.rejoin()

    def hold(self, tp: TP) -> None:
        """Hand over nothing more of the partition until it is assigned again."""
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
            self._marks.forget(tp)
            self._sent_at.pop(tp, None)
            self._errors.forget(tp)


def _epoch(message: Message) -> Any:
    return dict(message.headers or ()).get(_EPOCH)
