"""The order of a lane's steps: what may be marked, remembered and raised at each of them, without a clock."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sinks.errors import StoreUnavailable
from streams.failpoints import STEPS
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.data.damaged import damage
from support.data.event_columns import event
from support.fakes.lane_story import ITEMS, Worker, batch, in_lanes

CLICKS = "test/clicks/0"


@pytest.fixture
def intake(tmp_path: Path) -> Any:
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def progress_of(intake: Intake, source: str) -> int:
    known = intake.store.sources.known()
    return (
        intake.store.sources.progress([known[source].number])[known[source].number] if source in known else 0
    )


def test_the_steps_come_in_their_order_and_offsets_last(intake: Intake) -> None:
    """Nothing is marked, and progress does not move, before letters, catalogue and users of the flush are where they belong."""
    seen: list[tuple[str, int, int, bool, int]] = []

    async def story(worker: Worker) -> None:
        def on_step(step: str) -> None:
            there = intake.store.users.read(["ada"])[0] is not None
            raised = progress_of(intake, CLICKS)
            seen.append((step, len(worker.group.marked), len(worker.producer.sent), there, raised))

        intake.failpoints.on_step = on_step
        await worker.through(
            batch({"item_id": "g", "title": "Red"}, kind=ITEMS), batch(b"{nope", event("ada", "g"))
        )
        await worker.lanes.sync()

    in_lanes(intake, story, linger_s=0.3)
    steps = [step for step, *_ in seen]
    assert list(dict.fromkeys(steps)) == list(STEPS)
    at = {step: seen[steps.index(step)][1:] for step in STEPS}
    written, raised = STEPS.index("users written"), STEPS.index("progress raised")
    for number, step in enumerate(STEPS):
        marked, letters, there, progress = at[step]
        assert marked == 0 or number > raised, f"marked at {step!r}"
        assert letters == (number >= STEPS.index("letters sent"))
        assert there == (number >= written), f"the user is there at {step!r}: {there}"
        assert progress == (2 if number >= raised else 0), f"progress at {step!r}"


def test_a_user_is_remembered_only_as_the_store_has_acknowledged_it(intake: Intake) -> None:
    """What a crash or a refusal may still undo is not what the next flush continues from."""
    held: dict[str, int] = {}

    async def story(worker: Worker) -> None:
        def on_step(step: str) -> None:
            (user,) = intake.ingest.cache.get(["ada"])
            held[step] = -1 if user is None else max(user.watermark.values())

        await worker.through(batch(event("ada", "a")))
        intake.failpoints.on_step = on_step
        await worker.through(batch(event("ada", "b", at=1), first=1))

    in_lanes(intake, story)
    assert held["users prepared"] == held["users written"] == 0
    assert held["users remembered"] == 1


@pytest.mark.parametrize("step", ["users claimed", "progress read", "users prepared", "users written"])
def test_a_flush_that_is_tried_again_counts_each_event_and_letter_once(intake: Intake, step: str) -> None:
    """A store that fails at any step, twice, after the events at fault were found: letters go once, outcomes add up."""
    reached: Counter[str] = Counter()

    async def before(worker: Worker) -> None:
        await worker.through(batch(*[event(f"u{n}", "a") for n in range(20)]))

    async def story(worker: Worker) -> None:
        def on_step(at: str) -> None:
            reached[at] += len(worker.producer.sent) == 2
            if at == step and 0 < reached[at] <= 2:
                raise StoreUnavailable("asked to fail")

        intake.failpoints.on_step = on_step
        events = [event(f"u{n}", "b", at=1) for n in range(20)]
        await worker.through(batch(*events, b"{nope", first=20))
        letters = [dict(sent["headers"])["source-offset"] for sent in worker.producer.sent]
        assert letters == [b"40", b"27"]

    in_lanes(intake, before)
    damage(intake, "u7")
    intake.ingest.cache.forget(f"u{n}" for n in range(20))
    in_lanes(intake, story)
    assert reached[step] >= (1 if step == "users written" else 3)  # what was written is found inside then
    outcomes = {
        outcome: intake.metrics.events.labels("clicks", outcome)._value.get()
        for outcome in ("applied", "redelivered", "duplicate", "rejected", "parked")
    }
    assert outcomes == {"applied": 39, "redelivered": 0, "duplicate": 0, "rejected": 1, "parked": 1}
