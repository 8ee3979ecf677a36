"""A story told with the lanes of one worker, without a broker: batches in, a real store behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from streams.ingest.intake import Intake
from streams.letters.sender import DeadLetters
from streams.settings_sections import DaemonConfig
from streams.topics.slot import ITEMS_SLOT, TopicSlot
from streams.worker.batch import LaneBatch
from streams.worker.lanes import Lanes
from support.data.event_columns import NOW
from support.data.fetched import Fetched

ITEMS = "items"


@dataclass
class Producer:
    """Takes dead letters in the place of aiokafka; `gate` holds the broker's answer back."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, topic: str, **record: Any) -> Any:
        self.sent.append({"topic": topic, **record})
        return asyncio.ensure_future(self.gate.wait())


@dataclass
class Group:
    """The consumer group, set by hand; `marked` are the batches that may be committed."""

    current: bool = True
    owner: bool = True
    marked: list[LaneBatch] = field(default_factory=list)

    def is_current(self, batch: LaneBatch) -> bool:
        return self.current and self.owner

    def owns(self, batch: LaneBatch) -> bool:
        return self.owner

    def done(self, batch: LaneBatch) -> None:
        self.marked.append(batch)


def batch(
    *events: dict[str, Any] | bytes, first: int = 0, kind: str = "click", partition: int = 0
) -> LaneBatch:
    """Events, or bytes that are none, as one fetch from offset `first` on. kind: an action, or ITEMS."""
    values = [entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in events]
    records = [
        Fetched(value, first + n, topic=f"{kind}s", partition=partition) for n, value in enumerate(values)
    ]
    slot = ITEMS_SLOT if kind == ITEMS else TopicSlot(f"{kind}s", kind)
    return LaneBatch(slot, f"{kind}s", partition, records)


@dataclass
class Worker:
    """The lanes with what stands around them."""

    lanes: Lanes
    producer: Producer
    group: Group

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait for a condition, at most 60 s."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    async def through(self, *batches: LaneBatch) -> None:
        """Submit and wait until all are marked."""
        for each in batches:
            assert await self.lanes.submit(each)
        await self.until(lambda: self.lanes.failure or all(each in self.group.marked for each in batches))
        if self.lanes.failure:
            raise self.lanes.failure


def in_lanes(
    intake: Intake, story: Callable[[Worker], Awaitable[None]], *, open_gate: bool = True, **config: Any
) -> None:
    """Tell a story with the lanes of one worker; `config` are settings of the daemon."""

    async def main() -> None:
        worker = one_worker(intake, open_gate=open_gate, **config)
        try:
            async with asyncio.timeout(120):
                await story(worker)
        finally:
            worker.lanes.shutdown()

    asyncio.run(main())


def one_worker(intake: Intake, *, open_gate: bool = True, cluster: str = "test", **config: Any) -> Worker:
    """A worker on this intake, within a running loop."""
    producer, group = Producer(), Group()
    if open_gate:
        producer.gate.set()
    lanes = Lanes(
        intake,
        DeadLetters(producer, "dead-letters", intake.metrics),
        group,
        config=DaemonConfig(**{"heartbeat_s": 0.1, **config}),
        cluster=cluster,
        now=lambda: NOW,
    )
    return Worker(lanes, producer, group)
