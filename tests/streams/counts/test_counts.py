"""The counts of a store: the same from the stream and from a replay, kept over restarts, none overwritten."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams.counts.slot
from sinks.errors import StoreMismatch, StoreUnavailable
from sinks.leases import STALE_S, CollectionLeases
from sinks.points import item_key
from sinks.protocols import BlobStore
from streams.counts.counts import CONFIG_BLOB, SLOTS, CountsBuffer, read_counts
from streams.counts.sequences import batch_sequences
from streams.counts.slot import HEADS, CountsSlot
from streams.event_log.log import open_logs
from streams.files.fields import parse_mapping
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED
from streams.ingest.pipeline import event_terms
from streams.metrics import Metrics
from streams.replay.replay import replay
from streams.settings import Settings
from streams.worker.counts_writer import CountsWriter
from support.checks.counted import item_shares, neighbours, observe
from support.data.counted_events import NAMES, SMALL, Step, assert_counts, assert_same, sequences
from support.data.event_columns import NOW, columns_of, event
from support.fakes.lane_story import Worker, batch, in_lanes
from support.qdrant_server import QdrantServer
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.steps import steps_of
from transfer.counts.sums import merge_counts, sum_steps
from transfer.errors import CountsFormatError
from transfer.state.states import empty_states
from transfer.state.update import apply_events

SETTINGS = Settings(counts=SMALL)
START = NOW - 86400


def opened(folder: Path | str, settings: Settings = SETTINGS) -> Intake:
    return open_intake(str(folder), settings, create=True)


def some_steps(count: int, seed: int = 0) -> list[Step]:
    """Events with baskets; in order of time."""
    rng = random.Random(seed)
    found = [
        Step(rng.randrange(6), 10.0 * rng.randrange(40), rng.randrange(1, 10), rng.randrange(3))
        for _ in range(count)
    ]
    return sorted(found, key=lambda step: step.time)


def as_event(step: Step, number: int) -> dict[str, Any]:
    """Item 0 is text alone."""
    text = None if step.item else f"query {number % 3}"
    item = f"i{step.item}" if step.item else None
    return event(
        f"u{step.user}", item, at=step.time, scenario=NAMES[step.scenario], event_id=f"e{number}", text=text
    )


def as_counted(steps: Sequence[Step]) -> list[Step]:
    """The same with the keys and times that the store has."""
    return [
        step._replace(item=item_key(f"i{step.item}") if step.item else 0, time=START + step.time)
        for step in steps
    ]


def steps_for_slot(*items: int, time: float = 0.0) -> Any:
    """What one user adds by coming to these items, one after the other."""
    found = steps_of(sequences([], [Step(0, time + n, item, 0) for n, item in enumerate(items)]), SMALL)
    assert found is not None
    return found


def write_log(path: Path, steps: Sequence[Step]) -> Path:
    rows = [{**as_event(step, number), "action": "click"} for number, step in enumerate(steps)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def replayed(intake: Intake, path: Path, batch_rows: int = 64) -> ItemCounts:
    replay(intake, open_logs([path], parse_mapping(""), now=NOW, batch_rows=batch_rows))
    return read_counts(intake.store.blobs)


@pytest.mark.parametrize("size", [1, 7, 400])
def test_rings_give_what_the_whole_history_gives(tmp_path: Path, size: int) -> None:
    """Counted from the users' rings, in any batches and with late events, the counts are those of the definition."""
    steps = list(some_steps(150, size))
    shuffled = random.Random(size).sample(steps, len(steps)) if size < 100 else steps
    number = {id(step): n for n, step in enumerate(steps)}
    with opened(tmp_path / "s") as intake:
        for begin in range(0, len(shuffled), size):
            rows = [as_event(step, number[id(step)]) for step in shuffled[begin : begin + size]]
            intake.ingest.apply(columns_of(rows, offsets=range(begin, begin + len(rows))))
        assert intake.counts is not None
        intake.counts.write()
        batches = [as_counted(shuffled[begin : begin + size]) for begin in range(0, len(shuffled), size)]
        assert_counts(read_counts(intake.store.blobs), batches, SMALL)


def test_text_alone_is_no_step() -> None:
    """A query between two items neither hides the first nor shortens the window."""
    steps = [
        Step(0, 0.0, 1, 0),
        Step(0, 1.0, 0, 0),
        Step(0, 2.0, 0, 0),
        Step(0, 3.0, 2, 0),
        Step(0, 4.0, 3, 0),
    ]
    interest = InterestConfig(dim=2)
    states, counts = empty_states(1, interest), empty_counts(SMALL)
    one = np.ones((1, 2), np.float32)
    for number, step in enumerate(steps):
        columns = columns_of([as_event(step, number)], offsets=[number])
        keys = np.array([item_key(item) for item in columns.items], np.uint64)
        found = batch_sequences(columns, states, keys, np.ones(1, np.bool_), interest.ring, SMALL)
        if found is not None:
            counts = merge_counts(counts, observe(found, SMALL), SMALL)
        terms = event_terms(columns, keys, one[: len(keys)], one[: len(columns.texts)])
        states, _ = apply_events(states, terms, interest)
    assert_counts(counts, [as_counted(steps)], SMALL)


def test_an_event_older_than_a_full_ring_counts_for_the_shares_alone(tmp_path: Path) -> None:
    """It has no place in the user's order any longer, so nothing is said to follow it or to come before it."""
    settings = SETTINGS.model_copy(update={"interest": SETTINGS.interest.model_copy(update={"ring": 4})})
    with opened(tmp_path / "s", settings) as intake:
        on_time = [event("u", f"i{n}", at=10.0 * n) for n in range(1, 6)]
        intake.ingest.apply(columns_of(on_time))
        intake.ingest.apply(columns_of([event("u", "late", at=0.0)], offsets=[9]))
        assert intake.counts is not None
        intake.counts.write()
        late = np.array([item_key("late")], np.uint64)
        counts = read_counts(intake.store.blobs)
        assert item_shares(counts, late)[0, [2, 5]] == pytest.approx([1 / 6, 1 / 6])
        assert not len(neighbours(counts, late).items)


def test_the_daemon_and_a_replay_of_its_log_give_the_same_counts(tmp_path: Path) -> None:
    """The lanes count what a replay of the same events counts, up to rounding; a second replay adds nothing."""
    steps = some_steps(240)
    with opened(tmp_path / "replayed") as intake:
        path = write_log(tmp_path / "log.jsonl", steps)
        expected = replayed(intake, path)
        assert_counts(expected, [as_counted(steps)], SMALL)
        assert_same(replayed(intake, path), expected)
    with opened(tmp_path / "live") as intake:

        async def story(worker: Worker) -> None:
            writes = CountsWriter(intake.counts, every_s=0.02)
            running = asyncio.create_task(writes.run())
            for begin in range(0, len(steps), 30):
                rows = [as_event(step, begin + n) for n, step in enumerate(steps[begin : begin + 30])]
                await worker.through(batch(*rows, first=begin, partition=begin // 30 % 2))
            running.cancel()
            await worker.lanes.close()
            await writes.finish(10.0)

        in_lanes(intake, story)
        assert_same(read_counts(intake.store.blobs), expected)
        assert intake.metrics.registry.get_sample_value(
            "driftline_table_writes_total", {"outcome": "written"}
        )


def test_a_restart_goes_on(tmp_path: Path) -> None:
    """Each run adds to what the runs before it wrote, whether it replays or consumes."""
    steps = some_steps(200)
    with opened(tmp_path / "whole") as intake:
        expected = replayed(intake, write_log(tmp_path / "log.jsonl", steps))
    with opened(tmp_path / "parts") as intake:
        replayed(intake, write_log(tmp_path / "first.jsonl", steps[:80]))
    for begin, end in ((80, 120), (120, 160), (160, 200)):
        with opened(tmp_path / "parts") as intake:

            async def story(worker: Worker, begin: int = begin, end: int = end) -> None:
                rows = [as_event(step, begin + n) for n, step in enumerate(steps[begin:end])]
                await worker.through(batch(*rows, first=begin))
                counts = worker.lanes._work.intake.counts
                await CountsWriter(counts, 60.0).finish(10.0)

            in_lanes(intake, story)
            found = read_counts(intake.store.blobs)
    assert_same(found, expected)


@pytest.mark.server
def test_processes_never_overwrite_each_other(tmp_path: Path) -> None:
    """Daemons and replays at once: each has a slot of its own, readers see the sum."""
    with (
        QdrantServer(tmp_path / "q") as server,
        opened(server.url) as one,
        opened(server.url) as two,
        opened(server.url) as three,
        opened(tmp_path / "truth") as truth,
    ):
        rows = [event(f"u{u}", f"i{n}", at=10.0 * n, event_id=f"{n}") for n in range(6) for u in range(3)]
        for n in range(6):
            for at, intake in enumerate((one, two, three)):
                columns = columns_of([rows[3 * n + at]], offsets=[n], source=f"log/{at}")
                intake.ingest.apply(columns)
                assert intake.counts is not None
                intake.counts.write()
        truth.ingest.apply(columns_of(rows))
        assert truth.counts is not None
        truth.counts.finish()
        assert len(one.store.blobs.folder(HEADS)) == 3
        assert_same(read_counts(one.store.blobs), read_counts(truth.store.blobs))


@pytest.mark.server
def test_events_that_several_writers_prepare_are_counted_once(tmp_path: Path) -> None:
    """A write that was refused and prepared again counts from the preparation that was taken, whatever came between."""
    with (
        QdrantServer(tmp_path / "q") as server,
        opened(server.url) as one,
        opened(server.url) as two,
        opened(tmp_path / "truth") as truth,
    ):
        rows = [event("u", f"i{n % 5}", at=10.0 * n, event_id=f"{n}") for n in range(24)]
        for n, row in enumerate(rows):
            (one, two)[n // 3 % 2].ingest.apply(columns_of([row], offsets=[n], source=f"log/{n // 3 % 2}"))
        assert one.metrics.refused_writes._value.get() + two.metrics.refused_writes._value.get() > 0
        truth.ingest.apply(columns_of(rows))
        for intake in (one, two, truth):
            assert intake.counts is not None
            intake.counts.finish()
        assert_same(read_counts(one.store.blobs), read_counts(truth.store.blobs))


@pytest.mark.server
@pytest.mark.parametrize("applied", [False, True])
def test_a_write_without_an_answer_is_counted_once(tmp_path: Path, applied: bool) -> None:
    """Whether it was carried out or not, its events count as applied, and the counts have them once."""
    with (
        QdrantServer(tmp_path / "q") as server,
        opened(server.url) as intake,
        opened(tmp_path / "truth") as truth,
    ):
        rows = [event(f"u{n % 3}", f"i{n % 5}", at=10.0 * n, event_id=f"{n}") for n in range(24)]
        for begin in range(0, 24, 6):
            columns = columns_of(rows[begin : begin + 6], offsets=range(begin, begin + 6))
            applying = intake.ingest.begin(columns)
            server.fail_next(1, applied=applied, method="Upsert")
            with pytest.raises(StoreUnavailable):
                applying.run()
            assert applying.run().code.tolist() == [APPLIED] * 6
        truth.ingest.apply(columns_of(rows))
        for opened_one in (intake, truth):
            assert opened_one.counts is not None
            opened_one.counts.finish()
        assert_same(read_counts(intake.store.blobs), read_counts(truth.store.blobs))


@pytest.mark.server
def test_a_slot_that_was_taken_away_costs_another_one_and_no_count(tmp_path: Path) -> None:
    """A process that was frozen for longer than its lease continues in another slot; what it had written stays."""
    with QdrantServer(tmp_path / "q") as server, opened(server.url) as one, opened(server.url) as two:
        frozen = CountsBuffer(one.store.blobs, one.store.leases, SMALL, Metrics())
        frozen.count(steps_for_slot(1, 2))
        frozen.write()
        (slot,) = one.store.blobs.folder(HEADS)
        later = CollectionLeases(two.store.leases._meta, now=lambda: time.time() + 2 * STALE_S)  # type: ignore[attr-defined]
        taken = later.take(SLOTS)
        assert slot.endswith(f"/{taken.name}")
        successor = CountsSlot(two.store.blobs, taken, SMALL)
        successor.add(sum_steps([steps_for_slot(3, 4)], SMALL))
        frozen.count(steps_for_slot(5, 6))
        frozen.write()
        assert len(one.store.blobs.folder(HEADS)) == 2
        expected = sum_steps([steps_for_slot(*pair) for pair in ((1, 2), (3, 4), (5, 6))], SMALL)
        assert_same(read_counts(one.store.blobs), expected)


def test_a_growing_slot_is_joined_and_split_in_blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the counts grow, what is read is the sum of what was added, after every single write."""
    monkeypatch.setattr(streams.counts.slot, "PART_BYTES", 300)
    monkeypatch.setattr(streams.counts.slot, "SMALL_BYTES", 400)
    rng = random.Random(5)
    with opened(tmp_path / "s") as intake:
        counts = CountsBuffer(intake.store.blobs, intake.store.leases, SMALL, Metrics())
        expected = empty_counts(SMALL)
        generations = set()
        for number in range(25):
            added = steps_for_slot(*(rng.randrange(1, 40) for _ in range(6)), time=10.0 * number)
            expected = merge_counts(expected, sum_steps([added], SMALL), SMALL)
            counts.count(added)
            counts.write()
            assert_same(read_counts(intake.store.blobs), expected)
            (head,) = map(json.loads, intake.store.blobs.folder(HEADS).values())
            generations.add(head["generation"])
        assert len(generations) > 2 and head["parts"] > 2


class Failing:
    """Blobs of which the n-th write fails, before it is applied or after."""

    def __init__(self, blobs: BlobStore, at: int, applied: bool) -> None:
        self._blobs, self._left, self._applied = blobs, at, applied

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def put(self, name: str, blob: bytes, lease: Any = None) -> None:
        self._left -= 1
        if self._left or self._applied:
            self._blobs.put(name, blob, lease)
        if not self._left:
            raise StoreUnavailable("no answer")


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("at", range(1, 13))
def test_a_write_that_fails_anywhere_is_made_good_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, applied: bool
) -> None:
    """Whichever request is not answered, whether it was applied or not: nothing is lost or counted twice."""
    monkeypatch.setattr(streams.counts.slot, "SMALL_BYTES", 300)
    with opened(tmp_path / "s") as intake:
        failing: Any = Failing(intake.store.blobs, at, applied)
        counts = CountsBuffer(failing, intake.store.leases, SMALL, Metrics())
        expected = empty_counts(SMALL)
        for number in range(5):
            added = steps_for_slot(number + 1, number + 2, number + 20, time=10.0 * number)
            expected = merge_counts(expected, sum_steps([added], SMALL), SMALL)
            counts.count(added)
            try:
                counts.write()
            except StoreUnavailable:
                counts.write()
            assert_same(read_counts(intake.store.blobs), expected)


def test_a_crash_loses_no_more_than_was_not_written(tmp_path: Path) -> None:
    """After a process that never got to its last write, the next one continues with what was written, in the same slot."""
    with opened(tmp_path / "s") as intake:
        intake.ingest.apply(columns_of([("u", "a"), ("u", "b")]))
        assert intake.counts is not None
        intake.counts.write()
        intake.ingest.apply(columns_of([event("u", "c", at=5.0)], offsets=[2]))
    with opened(tmp_path / "s") as intake:
        intake.ingest.apply(columns_of([event("u", "d", at=9.0)], offsets=[3]))
        assert intake.counts is not None
        intake.counts.write()
        keys = np.array([item_key(name) for name in "abcd"], np.uint64)
        np.testing.assert_allclose(
            item_shares(read_counts(intake.store.blobs), keys)[:, -1], [1 / 3, 1 / 3, 0, 1 / 3]
        )
        assert len(intake.store.blobs.folder(HEADS)) == 1


def test_damaged_counts_are_refused_by_name(tmp_path: Path) -> None:
    """A damaged blob is an error that says what to do, for readers and for writers."""
    with opened(tmp_path / "s") as intake:
        assert intake.counts is not None
        intake.counts.count(steps_for_slot(1, 2))
        intake.counts.finish()
        (slot,) = intake.store.blobs.folder(HEADS)
        recent = f"tables/{slot.rpartition('/')[2]}/recent"
        blob = intake.store.blobs.get(recent)
        assert blob is not None
        intake.store.blobs.put(recent, blob[:-3] + b"abc")
        with pytest.raises(CountsFormatError, match="damaged"):
            read_counts(intake.store.blobs)
        again = CountsBuffer(intake.store.blobs, intake.store.leases, SMALL, Metrics())
        again.count(steps_for_slot(1, 2))
        with pytest.raises(CountsFormatError, match="damaged"):
            again.write()


def test_counts_of_another_release_are_refused_before_anything_is_counted(tmp_path: Path) -> None:
    """Those of version 1 did not say so; without counts the store opens."""
    with opened(tmp_path / "s") as intake:
        replayed(intake, write_log(tmp_path / "first.jsonl", some_steps(5)))
        kept = json.loads(intake.store.blobs.get(CONFIG_BLOB) or b"")
        del kept["version"]
        intake.store.blobs.put(CONFIG_BLOB, json.dumps(kept).encode())
    with pytest.raises(StoreMismatch, match=r"have version 1, this release counts 2.*counts\.keep = false"):
        opened(tmp_path / "s")
    opened(tmp_path / "s", Settings(counts=CountsConfig(keep=False))).close()


def test_other_settings_are_refused_before_anything_is_counted(tmp_path: Path) -> None:
    """Tables of other half-lives can't be added to: opening says which, and how to do without."""
    with opened(tmp_path / "s") as intake:
        replayed(intake, write_log(tmp_path / "first.jsonl", some_steps(5)))
        assert intake.store.blobs.get(CONFIG_BLOB) is not None
    with pytest.raises(
        StoreMismatch,
        match=r"counts\.pair_window is 2 in the store and 5 in the settings.*counts\.keep = false",
    ):
        opened(tmp_path / "s", Settings(counts=SMALL.model_copy(update={"pair_window": 5})))
    opened(tmp_path / "s", Settings(counts=SMALL.model_copy(update={"max_pairs": 7}))).close()
    without = Settings(counts=CountsConfig(keep=False))
    with opened(tmp_path / "s", without) as intake:
        assert intake.counts is None
        before = read_counts(intake.store.blobs)
        replayed(intake, write_log(tmp_path / "log.jsonl", some_steps(20)))
        assert read_counts(intake.store.blobs).items.tolist() == before.items.tolist()
