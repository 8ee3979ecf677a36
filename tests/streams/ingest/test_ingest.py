"""Ingest: events into a store, once each, whatever is repeated, split or shuffled."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from sinks.points import PLACEHOLDER, item_key
from streams.events.event import ItemRow
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED, DUPLICATE, REDELIVERED
from streams.settings import Settings
from streams.workspace.workspace import Workspace
from support.checks.states import assert_same_states, done_of, states_of
from support.data.event_columns import columns_of, event


def opened(folder: Path, settings: Settings | None = None) -> Intake:
    return open_intake(str(folder), settings or Settings(), create=True)


def some_events(count: int, seed: int = 0) -> list[dict[str, object]]:
    rng = random.Random(seed)
    return [
        event(
            f"user{rng.randrange(7)}",
            f"item{rng.randrange(30)}",
            at=number * 60.0,
            scenario=rng.choice(["books", "games", "music"]),
            event_id=f"e{number}",
        )
        for number in range(count)
    ]


def test_a_new_event_makes_the_user_searchable(tmp_path: Path) -> None:
    """After `apply` the user's point is in the store, with vector, weights and watermark."""
    with opened(tmp_path / "s") as intake:
        outcome = intake.ingest.apply(columns_of([("ada", "a")]))
        assert outcome.code.tolist() == [APPLIED]
        (record,) = intake.store.users.read(["ada"], with_vectors=True)
        assert record is not None and record.fused is not None
        assert np.linalg.norm(record.fused) == pytest.approx(1.0, abs=1e-5)
        assert record.weights == {"books": pytest.approx(1.0)}
        assert done_of(intake.store, "ada") == {"test/clicks/0": 0}


def test_the_same_event_twice_is_applied_once(tmp_path: Path) -> None:
    """A duplicate under another offset changes nothing but the watermark, within a batch and across batches."""
    twice = event("ada", "a", event_id="e1")
    with opened(tmp_path / "s") as intake, opened(tmp_path / "t") as once:
        assert intake.ingest.apply(columns_of([twice, twice])).code.tolist() == [APPLIED, DUPLICATE]
        assert intake.ingest.apply(columns_of([twice], offsets=[2])).code.tolist() == [DUPLICATE]
        once.ingest.apply(columns_of([twice]))
        # A vector is made of states before they are packed, which rounds them once.
        assert_same_states(intake.store, once.store, intake.workspace.interest, tolerance=1e-7)


def test_redelivered_records_are_dropped_by_a_worker_that_remembers_nothing(tmp_path: Path) -> None:
    """After a crash, what is read again is recognised from the store alone, however old it is."""
    events = some_events(400)
    with opened(tmp_path / "s") as intake:
        intake.ingest.apply(columns_of(events))
    with opened(tmp_path / "s") as intake:
        outcome = intake.ingest.apply(columns_of(events))
        assert set(outcome.code.tolist()) == {REDELIVERED}


@pytest.mark.parametrize("seed", range(3))
def test_order_and_batches_do_not_matter(tmp_path: Path, seed: int) -> None:
    """The same events shuffled, split and a day late give the same states."""
    events = some_events(250, seed)
    shuffled = list(events)
    random.Random(seed + 1).shuffle(shuffled)
    with opened(tmp_path / "a") as whole, opened(tmp_path / "b") as parts:
        whole.ingest.apply(columns_of(events))
        start = 0
        for size in (1, 40, 9, 150, 50):
            part = shuffled[start : start + size]
            parts.ingest.apply(columns_of(part, offsets=range(start, start + len(part))))
            start += size
        assert_same_states(whole.store, parts.store, whole.workspace.interest)


def test_an_unknown_item_gets_a_deterministic_vector_and_is_fixed_by_the_catalogue(tmp_path: Path) -> None:
    """Before the catalogue tells of an item its id gives the vector; later events use its content."""
    with opened(tmp_path / "s") as intake, opened(tmp_path / "t") as other:
        intake.ingest.apply(columns_of([("ada", "x"), ("ben", "y")]))
        other.ingest.apply(columns_of([("ada", "x"), ("ben", "y")]))
        assert_same_states(intake.store, other.store, intake.workspace.interest, tolerance=0.0)
        assert intake.metrics.unseen_items._value.get() == 2
        (before,) = intake.store.items.read([item_key("x")], with_vectors=True)
        assert before is not None and before.vector is not None and before.content == PLACEHOLDER
        intake.catalogue.upsert([ItemRow("x", "Red grapes", "sweet fruit", "fruit")])
        (after,) = intake.store.items.read([item_key("x")], with_vectors=True)
        assert after is not None and after.vector is not None and after.title == "Red grapes"
        assert float(before.vector @ after.vector) < 0.5
        intake.ingest.apply(columns_of([event("cleo", "x")], offsets=[9]))
        _, _, fused = states_of(intake.store, intake.workspace.interest)
        assert float(fused[-1] @ after.vector) > 0.999


def test_a_placeholder_never_overwrites_the_catalogue(tmp_path: Path) -> None:
    """A worker that has not heard of an item yet doesn't undo what another wrote."""
    settings = Settings()
    with opened(tmp_path / "s", settings) as intake:
        intake.catalogue.upsert([ItemRow("x", "Red grapes", "", "fruit")])
        stale = Intake(Workspace(intake.store, settings, intake.workspace.interest, intake.workspace.model))
        from encoders.unseen import unseen_vectors
        from sinks.points import ItemPoints

        stale.store.items.add(
            ItemPoints(
                ["x"], unseen_vectors(["x"], intake.workspace.interest.dim), [""], ["books"], [PLACEHOLDER]
            )
        )
        (record,) = intake.store.items.read([item_key("x")])
        assert record is not None and record.title == "Red grapes"


def test_texts_move_the_vector_towards_what_was_typed(tmp_path: Path) -> None:
    """A query alone is an event: the user's vector lies near items of that meaning."""
    with opened(tmp_path / "s") as intake:
        intake.catalogue.upsert(
            [
                ItemRow("g", "Red grapes", "", "fruit"),
                ItemRow("o", "Motor oil", "", "car"),
                ItemRow("b", "Novel", "", "books"),
            ]
        )
        intake.ingest.apply(columns_of([event("ada", None, text="fresh grapes and other fruit")]))
        _, _, fused = states_of(intake.store, intake.workspace.interest)
        found = intake.store.items.search(fused[0], 3)
        assert found[0].item_id == "g"


def test_an_event_with_item_and_text_lies_between_both(tmp_path: Path) -> None:
    """A review moves the user by the item and by what was said of it."""
    with opened(tmp_path / "s") as intake:
        intake.ingest.apply(
            columns_of(
                [
                    event("both", "x", text="motor oil"),
                    event("item", "x"),
                    event("text", None, text="motor oil"),
                ]
            )
        )
        users, _, fused = states_of(intake.store, intake.workspace.interest)
        vector = dict(zip(users, fused, strict=True))
        assert float(vector["both"] @ vector["item"]) > 0.5
        assert float(vector["both"] @ vector["text"]) > 0.5
