"""The lane: joined flushes, dead letters before the write, backpressure, retries, an orderly end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sinks.points import item_key
from streams.dead_letters import DeadLetters
from streams.lane import ITEMS, Batch, Lane
from streams.settings import Settings
from streams.workspace import Workspace, open_workspace
from support.event_columns import NOW, event
from support.fetched import Fetched
from support.qdrant_server import QdrantServer


@dataclass
class Producer:
    """Takes dead letters in the place of aiokafka; `gate` holds the broker's answer back."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, topic: str, **record: Any) -> Any:
        self.sent.append({"topic": topic, **record})
        return asyncio.ensure_future(self.gate.wait())

    async def send_and_wait(self, topic: str, **record: Any) -> Any:
        await (await self.send(topic, **record))


def batch(*events: dict[str, Any] | bytes, first: int = 0, kind: str = "click") -> Batch:
    values = [entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in events]
    records = [Fetched(value, first + n, topic=f"{kind}s") for n, value in enumerate(values)]
    return Batch(kind, f"{kind}s", 0, records)


def in_lane(
    workspace: Workspace,
    story: Callable[[Lane, Producer], Awaitable[None]],
    in_flight: int = 1000,
    run: bool = True,
) -> None:
    """Tell a story with a running lane."""

    async def main() -> None:
        producer = Producer()
        lane = Lane(
            workspace,
            DeadLetters(producer, "dead-letters", workspace.metrics),
            cluster="test",
            in_flight_events=in_flight,
            max_future_s=86400.0,
            now=lambda: NOW,
        )
        running = asyncio.create_task(lane.run()) if run else None
        try:
            async with asyncio.timeout(30):
                await story(lane, producer)
        finally:
            if running is not None:
                running.cancel()
            lane.shutdown()

    asyncio.run(main())


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    with open_workspace(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def test_submit_returns_after_the_user_is_in_the_store(workspace: Workspace) -> None:
    """What submit returned from may be committed."""

    async def story(lane: Lane, producer: Producer) -> None:
        assert await lane.submit(batch(event("ada", "a")))
        assert workspace.store.users.read(["ada"])[0] is not None

    in_lane(workspace, story)


def test_batches_at_hand_are_one_flush_and_a_user_is_written_once(workspace: Workspace) -> None:
    """At load several fetches join, so a hot user costs one write."""

    async def story(lane: Lane, producer: Producer) -> None:
        batches = [batch(event("ada", f"i{n}"), first=n) for n in range(5)]
        waiting = [asyncio.create_task(lane.submit(b)) for b in batches]
        await asyncio.sleep(0.05)
        running = asyncio.create_task(lane.run())
        assert await asyncio.gather(*waiting) == [True] * 5
        running.cancel()

    in_lane(workspace, story, run=False)
    assert workspace.metrics.users_written._value.get() == 1


def test_a_dead_letter_is_acknowledged_before_anything_is_written(workspace: Workspace) -> None:
    """The offset can't move past a bad record that the dead-letter topic does not have."""

    async def story(lane: Lane, producer: Producer) -> None:
        waiting = asyncio.create_task(lane.submit(batch(b"{nope", event("ada", "a"))))
        while not producer.sent:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not waiting.done() and workspace.store.users.read(["ada"]) == [None]
        producer.gate.set()
        assert await waiting
        assert workspace.store.users.read(["ada"])[0] is not None
        assert producer.sent[0]["value"] == b"{nope"

    in_lane(workspace, story)


def test_items_are_applied_before_the_events_beside_them(workspace: Workspace) -> None:
    """An event that is flushed with its item's arrival uses the item's content."""

    async def story(lane: Lane, producer: Producer) -> None:
        row = {"item_id": "g", "title": "Red grapes", "scenario": "fruit"}
        events = asyncio.create_task(lane.submit(batch(event("ada", "g"))))
        items = asyncio.create_task(lane.submit(batch(row, kind=ITEMS)))
        await asyncio.sleep(0.05)
        running = asyncio.create_task(lane.run())
        await asyncio.gather(events, items)
        running.cancel()
        (ada,) = workspace.store.users.read(["ada"], with_vectors=True)
        (grapes,) = workspace.store.items.read([item_key("g")], with_vectors=True)
        assert ada is not None and grapes is not None and ada.fused is not None and grapes.vector is not None
        assert float(ada.fused @ grapes.vector) > 0.999

    in_lane(workspace, story, run=False)


def test_the_in_flight_bound_holds(workspace: Workspace) -> None:
    """No more events than the bound are taken from the agents before the store has them."""

    async def story(lane: Lane, producer: Producer) -> None:
        first = asyncio.create_task(lane.submit(batch(*[event("ada", "a")] * 6)))
        second = asyncio.create_task(lane.submit(batch(*[event("ben", "a")] * 6, first=6)))
        await asyncio.sleep(0.05)
        assert len(lane._waiting) == 1
        running = asyncio.create_task(lane.run())
        assert await asyncio.gather(first, second) == [True, True]
        running.cancel()

    in_lane(workspace, story, in_flight=10, run=False)


def test_close_finishes_what_was_taken_and_takes_nothing_more(workspace: Workspace) -> None:
    """After close the taken batches are durable; later ones are refused, so that nobody marks them."""

    async def story(lane: Lane, producer: Producer) -> None:
        taken = asyncio.create_task(lane.submit(batch(event("ada", "a"))))
        await asyncio.sleep(0)
        await lane.close()
        assert await taken
        assert not await lane.submit(batch(event("ben", "a"), first=1))
        assert workspace.store.users.read(["ben"]) == [None]

    in_lane(workspace, story)


def test_an_unexpected_error_reaches_the_agents_and_ends_the_lane(workspace: Workspace) -> None:
    """What the lane can't handle is not skipped: it ends the daemon, and nothing is marked."""

    async def story(lane: Lane, producer: Producer) -> None:
        workspace.store.close()
        running = asyncio.create_task(lane.run())
        with pytest.raises(Exception, match="closed"):
            await lane.submit(batch(event("ada", "a")))
        with pytest.raises(Exception, match="closed"):
            await running

    in_lane(workspace, story, run=False)


def test_the_series_do_not_grow_with_users_items_and_scenarios(workspace: Workspace) -> None:
    """Labels are bounded sets: more users, items and kinds of garbage add no series, and no id is in any of them."""

    def series() -> set[str]:
        text = workspace.metrics.exposition().decode()
        return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}

    async def story(lane: Lane, producer: Producer) -> None:
        producer.gate.set()
        seen: list[set[str]] = []
        for part in range(2):
            mixed = [
                event(f"ada{part}{n}", f"sku{n}", scenario=f"shelf{part}{n}", text="red") for n in range(50)
            ]
            await lane.submit(batch(*mixed, b"{nope%d" % part, first=100 * part))
            await lane.submit(batch({"item_id": f"sku{part}", "title": "Red"}, kind=ITEMS))
            seen.append(series())
        assert seen[0] == seen[1]
        assert not any(word in line for line in seen[1] for word in ("ada", "sku", "shelf", "nope"))

    in_lane(workspace, story)


def test_a_store_that_is_away_is_waited_for_and_said_so(tmp_path: Path) -> None:
    """Writes are retried until the store is back; meanwhile `trouble` has the reason and retries are counted."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_workspace(server.url, Settings(), create=True) as workspace,
    ):

        async def story(lane: Lane, producer: Producer) -> None:
            await lane.submit(batch(event("ada", "a")))
            await asyncio.to_thread(server.stop)
            waiting = asyncio.create_task(lane.submit(batch(event("ada", "b"), first=1)))
            while lane.trouble is None:
                await asyncio.sleep(0.02)
            assert "unavailable" in lane.trouble and not waiting.done()
            await asyncio.to_thread(server.start)
            assert await waiting
            assert lane.trouble is None

        in_lane(workspace, story)
        assert workspace.metrics.store_retries._value.get() > 0
        (record,) = workspace.store.users.read(["ada"])
        assert record is not None and record.watermarks == {"test/clicks/0": 1}
