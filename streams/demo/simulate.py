"""Simulated users whose interest moves from one scenario to another, and their events into topics."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.demo.simulated_catalogue import simulated_catalogue
from streams.events.encode import item_record
from streams.events.event import Event, ItemRow
from streams.topics.outlets import Outlets

NAMES: Final = (
    "ada", "ben", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "jana", "kai", "lena",
    "mio", "nora", "otto", "pia", "quin", "rosa", "sam", "tess", "ugo", "vera", "wim", "yara",
)  # fmt: skip
TICK_S: Final = 0.05
MOST_AT_ONCE: Final = 5000
_ACTIONS: Final = ("browse",) * 14 + ("click",) * 5 + ("purchase",)
_SEARCHES: Final = 0.04
_AGAIN: Final = 0.15
_ELSEWHERE: Final = 0.06
_FAVOURITE: Final = 0.7
_MOVED: Final = 0.88


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """Someone who starts in the scenario `home` and at a share `moves_at` of the time turns to `new`."""

    user_id: str
    home: str
    new: str
    moves_at: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """An event and its action's name."""

    action: str
    event: Event


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What is simulated: the same plan sends the same events."""

    rate: float
    """events a second"""
    seconds: float
    seed: int
    start: float
    """unix time of the first event"""
    users: int = 50
    behind_s: float = 0.0
    """how long ago the first event was: what is due by now is sent at once"""
    event_times: bool = False
    """records carry the times of their events, in place of the present"""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What `simulate` did: acknowledged events by topic, and the time that it took."""

    sent: dict[str, int]
    items: int
    seconds: float


def simulated_users(rng: random.Random, count: int, catalogue: Sequence[ItemRow]) -> list[SimulatedUser]:
    """Users with readable ids ("ada", …, "ada-2", …), each with two different scenarios."""
    scenarios = list(dict.fromkeys(row.scenario for row in catalogue))
    users = []
    for number in range(count):
        again, name = divmod(number, len(NAMES))
        home, new = rng.sample(scenarios, 2)
        user_id = NAMES[name] + (f"-{again + 1}" if again else "")
        users.append(SimulatedUser(user_id, home, new, rng.uniform(0.4, 0.6)))
    return users


def simulated_events(
    rng: random.Random,
    users: Sequence[SimulatedUser],
    catalogue: Sequence[ItemRow],
    *,
    start: float,
    rate: float,
    count: int,
) -> Iterator[Simulated]:
    """`count` events of the users, at `start + i / rate` unix seconds, the same for the same `rng` state.

    Each user likes some themes of a scenario more than others, comes back to items, sometimes looks
    elsewhere or types a search, and moves from `home` to `new`. `rate` in events a second.
    """
    run = f"{rng.getrandbits(32):08x}"
    shelves: dict[str, list[ItemRow]] = {}
    for row in catalogue:
        shelves.setdefault(row.scenario, []).append(row)
    scenarios = list(shelves)
    favourites = {
        (user.user_id, scenario): _theme(rng.choice(shelves[scenario]))
        for user in users
        for scenario in (user.home, user.new)
    }
    themes: dict[str, list[ItemRow]] = {}
    for row in catalogue:
        themes.setdefault(_theme(row), []).append(row)
    seen: dict[tuple[str, str], list[ItemRow]] = {}
    for number in range(count):
        user = rng.choice(users)
        moved = number >= user.moves_at * count and rng.random() < _MOVED
        scenario = user.new if moved else user.home
        if rng.random() < _ELSEWHERE:
            scenario = rng.choice(scenarios)
        place = (user.user_id, scenario)
        before = seen.setdefault(place, [])
        if before and rng.random() < _AGAIN:
            item = rng.choice(before)
        else:
            liked = place in favourites and rng.random() < _FAVOURITE
            item = rng.choice(themes[favourites[place]] if liked else shelves[scenario])
            before.append(item)
        searches = rng.random() < _SEARCHES
        action = "browse" if searches else rng.choice(_ACTIONS)
        yield Simulated(
            action,
            Event(
                user_id=user.user_id,
                timestamp=start + number / rate,
                scenario=scenario,
                item_id=None if searches else item.item_id,
                text=f"looking for {item.title.lower()}" if searches else None,
                event_id=f"simulated-{run}-{start:.3f}-{number}",
            ),
        )


def simulate(
    broker: BrokerConfig,
    outlets: Outlets,
    items_topic: str,
    plan: SimulationPlan,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] | None = None,
) -> Simulation:
    """The catalogue into `items_topic`, then events at the plan's rate for so many seconds, acknowledged.

    What is sent depends on the plan alone; only its pace follows the clock. A broker that can't keep up gets the events
    later, not fewer of them.

    Args:
        outlets: action -> existing topic.
        stop: asked at each tick; True ends the simulation early.
        progress: called with the number of events sent so far.

    Raises:
        BrokerUnavailable, BrokerError: events were not delivered.
    """

    async def send() -> Simulation:
        catalogue = simulated_catalogue()
        async with Publisher(broker) as publisher:
            await publisher.publish(items_topic, map(item_record, catalogue))
            await publisher.flush()
            began = time.monotonic()
            sent = await _send_events(publisher, outlets, plan, catalogue, stop, progress)
        return Simulation(sent, len(catalogue), time.monotonic() - began)

    return asyncio.run(send())


async def _send_events(
    publisher: Publisher,
    outlets: Outlets,
    plan: SimulationPlan,
    catalogue: Sequence[ItemRow],
    stop: Callable[[], bool],
    progress: Callable[[int], None] | None,
) -> dict[str, int]:
    """Events by topic, each sent when it is due."""
    rng = random.Random(plan.seed)
    people = simulated_users(rng, plan.users, catalogue)
    rate, count = plan.rate, round(plan.rate * plan.seconds)
    events = simulated_events(rng, people, catalogue, start=plan.start, rate=rate, count=count)
    sent, done = dict.fromkeys(outlets.topics, 0), 0
    began = time.monotonic() - plan.behind_s
    while done < count and not stop():
        due = min(count, done + MOST_AT_ONCE, int((time.monotonic() - began) * rate) + 1)
        batch = [next(events) for _ in range(due - done)]
        await publish_events(publisher, outlets, batch, event_times=plan.event_times)
        await publisher.flush()
        for simulated in batch:
            sent[outlets.of(simulated.action).topic] += 1
        done = due
        if progress is not None and batch:
            progress(done)
        wait_s = began + done / rate - time.monotonic()
        if done < count and wait_s > 0:
            # Until the next event is due, or the next tick for many of them.
            await asyncio.sleep(max(TICK_S, min(1.0, wait_s)))
    return sent


async def publish_events(
    publisher: Publisher, outlets: Outlets, events: Iterable[Simulated], *, event_times: bool = False
) -> None:
    """Hand events over to the topics of their actions, in order; `Publisher.flush` acknowledges them.

    event_times: records carry the times of their events, in place of the present.
    """
    by_topic: dict[str, list[Simulated]] = {}
    for simulated in events:
        by_topic.setdefault(outlets.of(simulated.action).topic, []).append(simulated)
    for topic, group in by_topic.items():
        times = [int(each.event.timestamp * 1000) for each in group] if event_times else None
        records = (outlets.of(each.action).encode(each.event) for each in group)
        await publisher.publish(topic, records, times)


def _theme(row: ItemRow) -> str:
    """The item id without its number."""
    return row.item_id.rpartition("-")[0]
