"""The transport's consumer on a broker that exists in memory only and does each thing when it is told to: no clock, no
network. Real are the app, the consumer and all that it inherits from Faust; scripted is the Kafka client below it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from faust.types.tuples import Message

from streams.transport.app import BatchApp
from streams.transport.consumer import BatchConsumer
from streams.transport.fetching import Taken
from streams.transport.record import FetchedRecord

A, B = TP("clicks", 0), TP("clicks", 1)
PARTITIONS = (A, B)


class Client:
    """In place of Faust's thread with aiokafka in it. `take` lets a fetch leave the broker, `give` lets it arrive."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.take, self.give = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.generation = 1
        self.position = dict.fromkeys(PARTITIONS, 0)
        self.assigned = set(PARTITIONS)
        self.committed: dict[TP, int] = {}
        self.seeks = 0
        self.surprised = False

    # -- what the consumer asks of Faust's thread

    async def getmany(self, active: set[TP] | None, timeout: float) -> Taken:
        await self.take.acquire()
        taken = Taken()
        for tp in sorted(self.assigned):
            start, end = self.position[tp], min(self.position[tp] + self._world.fetch, self._world.end)
            if start < end:
                taken[tp] = [record(tp, offset) for offset in range(start, end) if offset % 10 != 9]
                self.position[tp] = end
            if not taken.get(tp):
                taken.pop(tp, None)
            taken.positions[tp] = self.position[tp]
        await self.give.acquire()
        return taken

    async def seek_to_committed(self) -> Mapping[TP, int]:
        self.seeks += 1
        for tp in self.assigned:
            if self.committed.get(tp):
                self.position[tp] = self.committed[tp]
        return {tp: self.committed.get(tp, 0) for tp in self.assigned}

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        self.seeks += 1
        self.position.update({tp: offset for tp, offset in positions.items() if tp in self.assigned})

    async def seek_to_beginning(self, *partitions: TP) -> None:
        for tp in partitions:
            self.position[TP(*tp)] = 0

    async def commit(self, offsets: Mapping[TP, int], *rest: Any) -> bool:
        if self.generation != self._world.group_generation:
            return False
        self._world.commit(offsets)
        return True

    def assignment(self) -> set[TP]:
        return set(self.assigned)

    def _ensure_consumer(self) -> Any:
        states = {tp: SimpleNamespace(highwater=self._world.end, lso=self._world.end) for tp in self.assigned}
        assignment = SimpleNamespace(tps=self.assigned, state_value=states.__getitem__)
        return SimpleNamespace(
            _coordinator=SimpleNamespace(generation=self.generation, coordinator_id=1),
            _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)),
        )


class World:
    """A group of this consumer and one other worker, two partitions of `end` offsets (every tenth is no record), and what
    was applied of them. A commit past what was applied is caught in the act.

    placed: the app says where partitions begin, as the daemon does by its store; else the group's offsets do.
    """

    def __init__(self, end: int = 40, fetch: int = 8, placed: bool = False) -> None:
        self.end, self.fetch = end, fetch
        self.applied: dict[TP, set[int]] = {tp: set() for tp in PARTITIONS}
        self.handed: deque[Message] = deque()
        self.open = asyncio.Event()
        self.open.set()
        self.group_generation = 1
        self.app = BatchApp(
            "scripted",
            broker="kafka://127.0.0.1:1",
            store="memory://",
            loop=asyncio.get_running_loop(),
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            broker_max_poll_records=1,
        )
        self.app.finalize()
        self.app.consumer_generation_id = 1
        self.app.before_revoke = self._before_revoke
        if placed:
            self.app.positions = self._positions
        self.consumer = BatchConsumer(
            self.app.transport,
            callback=self._callback,
            on_partitions_revoked=self._on_revoked,
            on_partitions_assigned=self._on_assigned,
            loop=asyncio.get_running_loop(),
        )
        self.client = Client(self)
        self.consumer._thread = self.client  # type: ignore[assignment]
        self.app._consumer = self.consumer
        self.consumer._set_active_tps(set(PARTITIONS))
        self.consumer.resume_flow()
        self.in_hand: list[Message] = []
        """accepted, written, and to be finished before partitions are given back"""
        fetcher = SimpleNamespace(_stopped=asyncio.Event())
        self.draining = asyncio.create_task(self.consumer._drain_messages(fetcher))

    # -- the broker's side

    def commit(self, offsets: Mapping[TP, int]) -> None:
        for tp, offset in offsets.items():
            missing = {at for at in range(offset) if at % 10 != 9} - self.applied[tp]
            assert not missing, f"committed {offset} of {tp.partition} without {sorted(missing)}"
            assert offset >= self.client.committed.get(tp, 0), f"commit of {tp.partition} went backwards"
            self.client.committed[tp] = offset

    async def leaves(self) -> None:
        """Let a fetch leave the broker."""
        self.client.take.release()
        await settle()

    async def arrives(self) -> None:
        """Let it arrive here."""
        self.client.give.release()
        await settle()

    # -- the worker's side

    def accept(self) -> None:
        """Take what was handed over, as far as it is of the present assignment."""
        while self.handed:
            message = self.handed.popleft()
            if self.consumer.is_current(message):
                self.in_hand.append(message)

    def write(self) -> None:
        """Into the store, if the group still says that the partition is ours."""
        self.in_hand = [message for message in self.in_hand if self.consumer.owns(message)]
        for message in self.in_hand:
            self.applied[message.tp].update(record.offset for record in message.value)

    def finish(self) -> None:
        """Let the offsets be committed."""
        for message in self.in_hand:
            self.consumer.mark_done(message)
        self.in_hand.clear()

    # -- rebalances

    async def rebalance(
        self, *, generation: int, others_apply: int = 0, keep: Iterable[TP] = PARTITIONS
    ) -> None:
        """All partitions are taken away and `keep` given back; meanwhile the other worker applies and commits."""
        await self.consumer.on_partitions_revoked(set(self.client.assigned))
        self.client.assigned = set()
        for tp in PARTITIONS:
            start = self.client.committed.get(tp, 0)
            end = min(self.end, start + others_apply)
            self.applied[tp].update(range(start, end))
            if end > start:
                self.commit({tp: end})
        self.client.generation = self.app.consumer_generation_id = self.group_generation = generation
        self.client.assigned = set(keep)
        self.client.position = {tp: self.client.committed.get(tp, 0) for tp in PARTITIONS}
        await self.consumer.on_partitions_assigned(set(keep), generation)
        await settle()

    async def _before_revoke(self) -> None:
        await settle()
        self.write()
        self.finish()

    async def _on_revoked(self, revoked: set[TP]) -> None:
        self.consumer.stop_flow()
        await settle()
        await self.consumer.commit()

    async def _on_assigned(self, assigned: set[TP], generation: int) -> None:
        await self.consumer.perform_seek()
        self.consumer.resume_flow()

    async def _positions(self, assigned: set[TP]) -> dict[TP, int]:
        return {tp: self.client.committed.get(tp, 0) for tp in assigned}

    async def _callback(self, message: Message) -> None:
        await self.open.wait()
        self.handed.append(message)

    async def run_dry(self) -> None:
        """Fetch, apply and commit until nothing is left."""
        self.open.set()
        for _ in range(4 * self.end // self.fetch + 8):
            await self.leaves()
            await self.arrives()
            self.accept()
            self.write()
            self.finish()
            await self.consumer.commit()
        self.draining.cancel()
        await asyncio.wait({self.draining})

    def assert_nothing_lost(self) -> None:
        """Every record was applied, and the committed offsets are the ends, past what is no record."""
        records = {at for at in range(self.end) if at % 10 != 9}
        for tp in PARTITIONS:
            assert not records - self.applied[tp], (
                f"lost of {tp.partition}: {sorted(records - self.applied[tp])}"
            )
        assert self.client.committed == dict.fromkeys(PARTITIONS, self.end)


def record(tp: TP, offset: int) -> FetchedRecord:
    return FetchedRecord(tp.topic, tp.partition, offset, 1_700_000_000_000 + offset, 0, b"k", b"v", (), 2)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(60):
        await asyncio.sleep(0)
