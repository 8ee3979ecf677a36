"""The same work as plain per-event Faust agents, as Faust's documentation writes them: one event at a time.

Three agents, one a topic. Each event is decoded by the same JSON decoder, looked up in the same item vectors and applied to
its user's state, held in a dictionary, by the same functions of `transfer`, called with a batch of one. The users that the
last 100 events touched are fused and written together, in one upsert to the embedded store. It keeps no watermarks' promises,
sends no dead letters and bounds no memory: all of that would cost it more.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import msgspec
import numpy as np
import xxhash

from benchmarks.workloads.warm import warm_items
from sinks.points import item_key
from sinks.writer import NEW
from streams.cli.logging_setup import set_up_logs
from streams.events.event import Event
from streams.ingest.intake import Intake, open_intake
from streams.ingest.pipeline import Advance, user_points
from streams.settings import Settings
from transfer.config import ACTIONS
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

EVENTS_PER_UPSERT = 100


@dataclass(frozen=True, slots=True)
class PerEvent:
    """Figures of one run, from the end of its first upsert to the end of its last."""

    events_per_s: float
    cpu_us_per_event: float


@dataclass(slots=True)
class PlainWorker:
    """State in memory, points into the store."""

    intake: Intake
    vectors: dict[str, tuple[int, np.ndarray]]
    states: dict[str, InterestStates] = field(default_factory=dict)
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)
    touched: dict[str, None] = field(default_factory=dict)
    pending: int = 0
    events: int = 0
    at: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def apply(self, event: Event, action: int, source: str, offset: int) -> None:
        """One event into its user's state; every hundredth writes."""
        config = self.intake.workspace.interest
        key, vector = self.vectors[event.item_id or ""]
        codes = np.zeros(1, np.int32)
        terms = EventTerms(
            user=codes,
            time=np.array([event.timestamp]),
            key=np.array([xxhash.xxh3_64_intdigest(event.event_id or "")], np.uint64),
            action=np.array([action], np.uint8),
            item=np.array([key], np.uint64),
            scenario=codes,
            scenario_names=(event.scenario,),
            vectors=vector,
            vector=codes,
        )
        before = self.states.get(event.user_id)
        if before is None:
            before = empty_states(1, config)
        self.states[event.user_id], _ = apply_events(before, terms, config)
        self.offsets.setdefault(event.user_id, {})[source] = offset
        self.touched[event.user_id] = None
        self.pending += 1
        self.events += 1
        if self.pending == EVENTS_PER_UPSERT:
            self.write()

    def write(self) -> None:
        """One upsert of the users that were touched."""
        users, self.touched, self.pending = list(self.touched), {}, 0
        config = self.intake.workspace.interest
        packed = [pack_states(self.states[user], config)[0] for user in users]
        states = unpack_states(packed, config)
        result = Advance(states, self.intake.workspace.model(states), np.ones(len(users), np.bool_))
        marks = [self.offsets[user] for user in users]
        self.intake.store.users.write(user_points(users, result, marks, config), [NEW] * len(users))
        self.at.append(time.perf_counter())
        self.cpu.append(time.process_time())


def per_event(flags: dict[str, Any], folder: Path, item_ids: list[str], events: int) -> PerEvent:
    """Work off `events` of the backlog; call it in a fresh process."""
    settings = Settings.load(None, flags)
    set_up_logs(settings.log)
    with open_intake(str(folder / "faust"), settings, create=True) as intake:
        warm_items(intake, item_ids)
        vectors: dict[str, tuple[int, np.ndarray]] = {}
        for item_id in item_ids:
            key = item_key(item_id)
            vectors[item_id] = (key, intake.workspace.space.cached(np.array([key], np.uint64))[0])
        worker = PlainWorker(intake, vectors)
        asyncio.run(_work(settings, worker, events))
    writes = len(worker.at) - 1
    return PerEvent(
        EVENTS_PER_UPSERT * writes / (worker.at[-1] - worker.at[0]),
        1e6 * (worker.cpu[-1] - worker.cpu[0]) / (EVENTS_PER_UPSERT * writes),
    )


async def _work(settings: Settings, worker: PlainWorker, events: int) -> None:
    daemon, over = settings.daemon, asyncio.Event()
    app = faust.App(
        daemon.group,
        broker=f"kafka://{settings.broker.url}",
        loop=asyncio.get_running_loop(),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_max_poll_records=daemon.batch_events,
        consumer_max_fetch_size=daemon.fetch_bytes,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=daemon.session_timeout_s,
        broker_heartbeat_interval=daemon.heartbeat_s,
        broker_rebalance_timeout=daemon.rebalance_timeout_s,
        broker_request_timeout=90.0,
    )
    decode = msgspec.json.Decoder(Event).decode

    def agent(action: int) -> Any:
        async def consume(stream: Any) -> None:
            async for value in stream:
                message = stream.current_event.message
                source = f"{message.topic}/{message.partition}"
                if not over.is_set():
                    worker.apply(decode(value), action, source, message.offset)
                    if worker.events >= events:
                        over.set()

        return consume

    for action, topic in settings.topics.by_action().items():
        channel = app.topic(topic, value_type=bytes, value_serializer="raw")
        app.agent(channel, name=f"plain-{action}")(agent(ACTIONS.index(action)))
    app.finalize()
    await app.start()
    await over.wait()
    await app.stop()
