"""The event logs that the benchmarks send: made up by a seed, or rows of a real log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.broker.topics import ensure_topics
from streams.event_log.log import open_logs
from streams.events.columns import take_events
from streams.events.encode import Record, event_record, events_of
from streams.events.event import Event
from streams.files.fields import parse_mapping
from streams.topics.config import TopicsConfig
from transfer.config import ACTIONS

ITEMS = 10_000
SCENARIOS = 12
FAVOURITES = 3
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Records of each action in order, and what they name."""

    name: str
    records: dict[str, list[Record]]
    item_ids: list[str]
    users: int
    about: dict[str, object] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many there are in all."""
        return sum(map(len, self.records.values()))


def distinct_users(count: int, seed: int) -> Workload:
    """As many users as events."""
    return _made_up("distinct", np.arange(count), seed, {})


def zipf_users(count: int, users: int, exponent: float, seed: int) -> Workload:
    """Users drawn with probability rank^-exponent."""
    return _made_up(
        "zipf",
        zipf_ranks(count, users, exponent, np.random.default_rng(seed)),
        seed,
        {"users_in_all": users, "exponent": exponent},
    )


def zipf_ranks(count: int, size: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """(count,) ranks 0..size-1, the first the most frequent."""
    weights = np.arange(1, size + 1) ** -exponent
    return rng.choice(size, count, p=weights / weights.sum())


def rows_of_log(path: Path, mapping: str, rows: int) -> Workload:
    """The first `rows` of a real log, to the next 20,000; their texts are left out: the model is not what is measured."""
    records: dict[str, list[Record]] = {action: [] for action in ACTIONS}
    users: set[str] = set()
    items: set[str] = set()
    log = open_logs([path], parse_mapping(mapping), now=time.time())
    for batch in islice(log, -(-rows // log.batch_rows)):
        for code, action in enumerate(ACTIONS):
            chosen = np.flatnonzero((batch.columns.action == code) & (batch.columns.item >= 0))
            if not len(chosen):
                continue
            ids = None if batch.event_ids is None else [batch.event_ids[row] for row in chosen.tolist()]
            columns = take_events(batch.columns, chosen)
            users.update(columns.users)
            items.update(columns.items)
            for event in events_of(columns, ids):
                bare = Event(
                    event.user_id, event.timestamp, event.scenario, event.item_id, event_id=event.event_id
                )
                records[action].append(event_record(bare))
    return Workload(path.parent.name, records, sorted(items), len(users), {"map": mapping} if mapping else {})


def event_of(number: int, user: int, rng: np.random.Generator, at: float) -> Event:
    """One event of a user, who keeps to a few scenarios of his own."""
    scenario = (user * 7 + int(rng.integers(FAVOURITES)) * 5) % SCENARIOS
    item = int(rng.integers(ITEMS // SCENARIOS)) * SCENARIOS + scenario
    return Event(
        f"user-{user:07d}", at, f"scenario {scenario}", f"item-{item:06d}", event_id=f"e{number:09d}"
    )


def item_ids() -> list[str]:
    """Of all items that `event_of` may name."""
    return [f"item-{number:06d}" for number in range(ITEMS + SCENARIOS)]


def _made_up(name: str, users: np.ndarray, seed: int, about: dict[str, object]) -> Workload:
    rng = np.random.default_rng(seed)
    now, step = time.time(), DAY_S / max(1, len(users))
    actions = rng.choice(len(ACTIONS), len(users), p=(0.7, 0.25, 0.05)).tolist()
    records: dict[str, list[Record]] = {action: [] for action in ACTIONS}
    for number, (user, action) in enumerate(zip(users.tolist(), actions, strict=True)):
        event = event_of(number, user, rng, now - DAY_S + number * step)
        records[ACTIONS[action]].append(event_record(event))
    return Workload(name, records, item_ids(), len(np.unique(users)), about)


def send(workload: Workload, broker: BrokerConfig, topics: TopicsConfig) -> None:
    """Make the topics and publish all of it; returns when every record is acknowledged."""
    ensure_topics(broker, dict.fromkeys(topics.all_names(), topics.partitions))
    asyncio.run(_send(workload.records, broker, topics.by_action()))


async def _send(records: dict[str, list[Record]], broker: BrokerConfig, topics: dict[str, str]) -> None:
    async with Publisher(broker) as publisher:
        # In turns, so that the three topics of one user are of about one age wherever a reader stands.
        for turn in _turns(records):
            for action, part in turn.items():
                await publisher.publish(topics[action], part)


def _turns(records: dict[str, list[Record]]) -> Iterable[dict[str, list[Record]]]:
    turns = max(1, max(map(len, records.values()), default=0) // 5000)
    for turn in range(turns):
        yield {
            action: part[len(part) * turn // turns : len(part) * (turn + 1) // turns]
            for action, part in records.items()
        }
