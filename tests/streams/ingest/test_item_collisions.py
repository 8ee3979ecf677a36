"""Two item ids with one key are never taken for each other, wherever they come from."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from sinks.points import item_key
from streams.event_log.log import open_logs
from streams.events.event import ItemRow, Reject
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED, COLLIDED, REDELIVERED
from streams.learning.history import load_history
from streams.replay.replay import replay
from streams.settings import Settings
from support.checks.states import states_of
from support.data.colliding_ids import FIRST, SECOND
from support.data.event_columns import NOW, columns_of, event
from support.data.replayed import counts_of
from support.fakes.lane_story import ITEMS, Worker, batch, in_lanes
from support.qdrant_server import QdrantServer


@pytest.fixture
def intake(tmp_path: Path):
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as opened:
        yield opened


def owner_of(intake: Intake) -> str:
    (found,) = intake.store.items.read([item_key(FIRST)])
    assert found is not None
    return found.item_id


def test_an_event_of_a_colliding_item_is_refused_and_its_neighbours_are_applied(intake: Intake) -> None:
    """Within one batch the item that is named first owns the key; what names the other one comes out as collided, again too."""
    events = columns_of([("ada", FIRST), ("ada", SECOND), ("bob", "other"), ("eve", SECOND)])
    applying = intake.ingest.begin(events)
    assert applying.run().code.tolist() == [APPLIED, COLLIDED, APPLIED, COLLIDED]
    reason, detail = applying.collision(1)
    assert reason == "item_id_collision" and FIRST in detail and SECOND in detail
    assert owner_of(intake) == FIRST
    assert intake.store.users.read(["eve"]) == [None]
    assert intake.ingest.apply(events).code.tolist() == [REDELIVERED, COLLIDED, REDELIVERED, COLLIDED]


def test_whoever_is_in_the_store_first_owns_the_key(intake: Intake, tmp_path: Path) -> None:
    """The other id is refused from memory and from the store, after a restart too, by events and by the catalogue."""
    intake.catalogue.upsert([ItemRow(SECOND, "Second")])
    for user in ("ada", "bob"):  # the second one finds the vector in memory
        assert intake.ingest.apply(columns_of([(user, FIRST)])).code.tolist() == [COLLIDED]
    counts = intake.catalogue.upsert([ItemRow("x", "X"), ItemRow(FIRST, "First"), ItemRow("y", "Y")])
    assert counts.collisions == [(1, FIRST, SECOND)] and counts.encoded == 2
    intake.catalogue.delete([FIRST])
    assert owner_of(intake) == SECOND
    intake.close()
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as again:
        assert again.ingest.apply(columns_of([("eve", FIRST)])).code.tolist() == [COLLIDED]
        again.catalogue.delete([SECOND])  # the key is free now
        assert again.catalogue.upsert([ItemRow(FIRST, "First")]).collisions == []
        assert owner_of(again) == FIRST


def test_both_in_one_catalogue(intake: Intake) -> None:
    """Of two rows with one key the first is written, the other one is named; so it stays when the catalogue comes again."""
    rows = [ItemRow("a", "A"), ItemRow(SECOND, "Second"), ItemRow(FIRST, "First")]
    for _ in range(2):
        assert intake.catalogue.upsert(rows).collisions == [(2, FIRST, SECOND)]
        assert owner_of(intake) == SECOND
    assert intake.store.items.count() == 2


def test_in_the_stream_it_is_a_dead_letter(intake: Intake) -> None:
    """Events and catalogue records of a colliding id become dead letters that say so; the rest of the flush is applied."""

    async def story(worker: Worker) -> None:
        rows = [{"item_id": FIRST, "title": "First"}, {"item_id": SECOND, "title": "Second"}]
        await worker.through(batch(*rows, kind=ITEMS))
        await worker.through(batch(event("ada", SECOND), event("ada", "a"), event("bob", FIRST)))
        reasons = [dict(letter["headers"])["reason"] for letter in worker.producer.sent]
        assert reasons == [b"item_id_collision"] * 2
        values = [json.loads(letter["value"]) for letter in worker.producer.sent]
        assert [value["item_id"] for value in values] == [SECOND, SECOND]

    in_lanes(intake, story)
    assert counts_of(intake) == {"ada": 1, "bob": 1}


def test_in_a_replay_it_is_a_rejected_row(intake: Intake, tmp_path: Path) -> None:
    """Replay rejects such rows by their number, once, and applies the others."""
    rows = [event(f"u{n}", (FIRST, "a", SECOND)[n % 3], action="click") for n in range(9)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rejects: list[Reject] = []
    opened = open_logs([log], now=NOW, batch_rows=4)
    summary = replay(intake, opened, on_rejects=lambda _, found: rejects.extend(found))
    assert (summary.applied, summary.rejected, summary.duplicates) == (6, 3, 0)
    assert [(reject.position, reject.reason) for reject in rejects] == [
        (n, "item_id_collision") for n in (2, 5, 8)
    ]
    assert sorted(counts_of(intake)) == ["u0", "u1", "u3", "u4", "u6", "u7"]


def test_what_learns_from_a_log_leaves_the_later_id_out(tmp_path: Path) -> None:
    """A history has one item a key: that of the first id in the log."""
    rows = [event("ada", item, at=n, action="click") for n, item in enumerate(("a", SECOND, FIRST, "b"))]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    history = load_history(open_logs([log], now=NOW))
    assert history.items == ["a", SECOND, "b"] and history.rejected == 1
    assert len(np.unique(history.item_keys)) == 3


@pytest.mark.server
def test_two_processes_at_once(tmp_path: Path) -> None:
    """Whatever two processes write at the same time, one id owns the key, and no user has an event of the other one."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, Settings(), create=True) as one,
        open_intake(server.url, Settings(), create=True) as two,
    ):
        codes: dict[str, list[int]] = {}

        def act(intake: Intake, item: str) -> None:
            events = [(f"{item}-{n}", item) for n in range(20)]
            codes[item] = [
                int(intake.ingest.apply(columns_of([pair], source=f"test/clicks/{item}")).code[0])
                for pair in events
            ]
            intake.catalogue.upsert([ItemRow(item, f"Title of {item}")])

        threads = [threading.Thread(target=act, args=pair) for pair in ((one, FIRST), (two, SECOND))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        owner = owner_of(one)
        other = SECOND if owner == FIRST else FIRST
        assert set(codes[owner]) == {APPLIED} and set(codes[other]) == {COLLIDED}
        users, _, _ = states_of(one.store, one.workspace.interest)
        assert all(user.startswith(owner) for user in users) and len(users) == 20
