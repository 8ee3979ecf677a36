"""The quickstart's story: one user among others moves to a new scenario, told event by event by the real daemon."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streams.broker.publisher import Publisher
from streams.broker.topics import ensure_topics
from streams.demo.simulate import Simulated, publish_events, simulated_events, simulated_users
from streams.demo.simulated_catalogue import simulated_catalogue
from streams.errors import DaemonError
from streams.ingest.intake import Intake, open_intake
from streams.serving.answer import Recommendation
from streams.serving.recommend import recommend
from streams.settings import Settings
from streams.topics.outlets import plain_outlets
from streams.worker.daemon import Daemon
from streams.workspace.workspace import Workspace

USERS = 24
EVENTS = 3000
SPAN_S = 86400.0
STEPS = (1, 2, 3, 5, 8, 13, 21)
"""How many events of the new scenario to look after."""
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Moment:
    """The user's scenario weights at one point of the story."""

    label: str
    weights: dict[str, float]


@dataclass(frozen=True, slots=True)
class Story:
    """What was seen."""

    user_id: str
    home: str
    new: str
    moments: Sequence[Moment]
    before: Sequence[Recommendation]
    after: Sequence[Recommendation]
    events: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def follow(
    settings: Settings,
    location: str,
    *,
    seed: int,
    now: float,
    say: Callable[[str], None],
    on_moment: Callable[[Moment], None],
) -> Story:
    """Run the daemon, send the events in parts, and look at one user after each part.

    Raises:
        DaemonError: the daemon ended early.
    """
    began = time.monotonic()
    topics = settings.topics
    ensure_topics(settings.broker, dict.fromkeys(topics.all_names(), topics.partitions))
    rng = random.Random(seed)
    catalogue = simulated_catalogue()
    users = simulated_users(rng, USERS, catalogue)
    watched = users[0]
    events = list(
        simulated_events(rng, users, catalogue, start=now - SPAN_S, rate=EVENTS / SPAN_S, count=EVENTS)
    )
    opened: list[Workspace] = []

    def prepare(intake: Intake) -> None:
        opened.append(intake.workspace)
        intake.catalogue.fit(catalogue)
        intake.catalogue.upsert(catalogue)

    daemon = Daemon(
        settings,
        lambda metrics: open_intake(location, settings, create=True, metrics=metrics),
        prepare=prepare,
    )
    running = asyncio.create_task(daemon.run())
    try:
        await _or_ended(running, daemon.ready.wait())
        say(f"daemon ready, metrics at http://{daemon.http.host}:{daemon.http.port}/metrics")
        cuts = moments_of(events, watched.user_id, watched.new, watched.moves_at)
        say(
            f"{len(events)} events of {USERS} users over a day; "
            f"{watched.user_id} moves from {watched.home} to {watched.new}"
        )
        moments: list[Moment] = []
        answers: list[list[Recommendation]] = []
        sent = 0
        async with Publisher(settings.broker) as publisher:
            for label, end in cuts:
                await publish_events(publisher, plain_outlets(topics.by_action()), events[sent:end])
                await publisher.flush()
                sent = end
                await _or_ended(running, _caught_up(daemon, sent))
                (record,) = await asyncio.to_thread(opened[0].store.users.read, [watched.user_id])
                assert record is not None
                ranked = sorted(record.weights.items(), key=lambda pair: -pair[1])
                moments.append(Moment(label, dict(ranked)))
                on_moment(moments[-1])
                if len(moments) in (1, len(cuts)):
                    answers.append(await asyncio.to_thread(recommend, opened[0], watched.user_id, SHOWN))
    finally:
        daemon.stop.set()
        summary = await running
    return Story(
        user_id=watched.user_id,
        home=watched.home,
        new=watched.new,
        moments=moments,
        before=answers[0],
        after=answers[-1],
        events=summary.events,
        seconds=time.monotonic() - began,
    )


def moments_of(events: Sequence[Simulated], user_id: str, new: str, moves_at: float) -> list[tuple[str, int]]:
    """Labels and ends (exclusive) of the parts to send: all before the move, then up to the n-th event after it."""
    begin = int(moves_at * len(events))
    cuts = [(f"{sum(e.event.user_id == user_id for e in events[:begin])} events", begin)]
    seen = 0
    for position in range(begin, len(events)):
        event = events[position].event
        if event.user_id == user_id and event.scenario == new:
            seen += 1
            if seen in STEPS:
                cuts.append((f"+{seen} in {new}", position + 1))
    cuts.append(("all", len(events)))
    return cuts


async def _caught_up(daemon: Daemon, events: int) -> None:
    while daemon.summary().events < events:  # noqa: ASYNC110  # what is watched are counters, not an event
        await asyncio.sleep(0.02)


async def _or_ended(running: asyncio.Task[Any], wanted: Any) -> None:
    """Await something that the daemon brings about; an error if the daemon ends instead."""
    waiting = asyncio.ensure_future(wanted)
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await running  # raises what ended it
        raise DaemonError("the daemon ended before the story did")
