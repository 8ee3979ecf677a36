"""A running daemon with probes in it, and an open-loop producer for it; each belongs in a process of its own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.events import event_of, zipf_ranks
from benchmarks.workloads.warm import warm_items
from sinks.points import UserPoints
from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.cli.logging_setup import set_up_logs
from streams.events.encode import Record, event_record
from streams.events.event import Event
from streams.ingest.intake import Intake, open_intake
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker.daemon import Daemon
from transfer.config import ACTIONS

PROBE = "probe-"
TICK_S = 0.005
READ_BACK_EVERY = 25


@dataclass(slots=True)
class Probes:
    """When the store had acknowledged each probe user (unix seconds); some are read back at once to prove it."""

    seen: dict[str, float] = field(default_factory=dict)
    absent: int = 0

    def watch(self, intake: Intake) -> None:
        """Look at the user ids of every write from now on."""
        users = intake.store.users
        write = users.write

        def watched(points: UserPoints, *arguments: Any, **options: Any) -> Any:
            taken = write(points, *arguments, **options)
            now = time.time()
            for user_id in points.user_ids:
                if user_id.startswith(PROBE) and user_id not in self.seen:
                    self.seen[user_id] = now
                    if len(self.seen) % READ_BACK_EVERY == 0:
                        self.absent += users.read([user_id])[0] is None
            return taken

        users.write = watched  # type: ignore[method-assign]


def serve(flags: dict[str, Any], folder: Path, item_ids: list[str], control: Connection) -> None:
    """Run the daemon until `control` receives anything; sends "ready" first, at the end probes and CPU seconds from then on."""
    settings = Settings.load(None, flags)
    set_up_logs(settings.log)
    probes = Probes()
    cpu_s = asyncio.run(_serve(settings, folder, item_ids, probes, control))
    control.send((probes.seen, probes.absent, cpu_s))


async def _serve(
    settings: Settings, folder: Path, item_ids: list[str], probes: Probes, control: Connection
) -> float:
    def opened(metrics: Metrics) -> Intake:
        intake = open_intake(str(folder), settings, create=True, metrics=metrics)
        probes.watch(intake)
        return intake

    daemon = Daemon(settings, opened, prepare=lambda intake: warm_items(intake, item_ids))
    running = asyncio.create_task(daemon.run())
    ready = asyncio.create_task(daemon.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    cpu = time.process_time()
    control.send("ready")
    await asyncio.to_thread(control.poll, None)
    control.recv()
    cpu = time.process_time() - cpu
    daemon.stop.set()
    await running
    return cpu


def receive(broker: BrokerConfig, topics: list[str], control: Connection) -> None:
    """The baseline: a bare aiokafka consumer that notes when each probe reached it."""
    asyncio.run(_receive(broker, topics, control))


async def _receive(broker: BrokerConfig, topics: list[str], control: Connection) -> None:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(*topics, **broker.aiokafka(), auto_offset_reset="latest")
    seen: dict[str, float] = {}
    await consumer.start()
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    cpu = time.process_time()
    control.send("ready")
    while not control.poll(0):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            now = time.time()
            for record in records:
                if record.key.startswith(PROBE.encode()):
                    seen[record.key.decode()] = now
    control.recv()
    cpu = time.process_time() - cpu
    await consumer.stop()
    control.send((seen, 0, cpu))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Records with the seconds at which each is due, made before the clock starts."""

    due: np.ndarray
    records: list[tuple[str, Record]]
    probes: dict[str, float]

    @classmethod
    def zipf(cls, rate: float, seconds: float, probes_per_s: float, users: int, seed: int) -> Schedule:
        """`rate` events a second of Zipf users, and evenly among them probe users with one event each."""
        rng = np.random.default_rng(seed)
        count, probe_count = int(rate * seconds), int(probes_per_s * seconds)
        ranks = zipf_ranks(count, users, 1.1, rng).tolist()
        actions = rng.choice(len(ACTIONS), count, p=(0.7, 0.25, 0.05)).tolist()
        begun = time.time()
        entries: list[tuple[float, str, Record]] = []
        for number, (user, action) in enumerate(zip(ranks, actions, strict=True)):
            at = number / rate
            entries.append((at, ACTIONS[action], event_record(event_of(number, user, rng, begun + at))))
        probes = {}
        for number in range(probe_count):
            # Jitter, so that probes don't keep step with a timer of what is measured.
            at = (number + float(rng.random())) / probes_per_s
            user_id = f"{PROBE}{seed}-{number:06d}"
            event = Event(user_id, begun + at, "scenario 1", "item-000001", event_id=user_id)
            entries.append((at, ACTIONS[number % len(ACTIONS)], event_record(event)))
            probes[user_id] = at
        entries.sort(key=lambda entry: entry[0])
        return cls(np.array([at for at, _, _ in entries]), [(a, r) for _, a, r in entries], probes)


@dataclass(frozen=True, slots=True)
class Produced:
    """When the clock began (unix seconds), how late the producer was at worst, and its rate."""

    began: float
    worst_late_s: float
    events_per_s: float


async def produce(schedule: Schedule, broker: BrokerConfig, topics: dict[str, str]) -> Produced:
    """Open loop: what is due is sent, whatever became of what went before; a late producer catches up."""
    at, worst = 0, 0.0
    async with Publisher(broker) as publisher:
        for topic in topics.values():
            await publisher.publish(topic, [])  # looks the topic up before the clock starts
        began = time.time()
        while at < len(schedule.records):
            await asyncio.sleep(max(0.0, began + float(schedule.due[at]) + TICK_S - time.time()))
            elapsed = time.time() - began
            until = int(np.searchsorted(schedule.due, elapsed, side="right"))
            worst = max(worst, elapsed - float(schedule.due[at]))
            by_topic: dict[str, list[Record]] = {}
            for action, record in schedule.records[at:until]:
                by_topic.setdefault(topics[action], []).append(record)
            for topic, records in by_topic.items():
                await publisher.publish(topic, records)
            await publisher.flush()
            at = until
        seconds = time.time() - began
    return Produced(began, worst, len(schedule.records) / seconds)
