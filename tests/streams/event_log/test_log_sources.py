"""Files are known by what their rows say: however they are named, packed, cut into batches, grown or put together."""

from __future__ import annotations

import gzip
import itertools
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.event_log.content import RunningDigest, Sketch
from streams.event_log.log import open_logs
from streams.event_log.sources import KnownLogs, LogFacts, read_content, segments_of
from support.data.log_files import KINDS, log_rows, write

NOW = 1_700_000_000.0


def content_digest(path, batch_rows=20_000, **options):
    log = open_logs([path], now=NOW, batch_rows=batch_rows, **options)
    running = RunningDigest()
    for rows in log.rows(0):
        running.add(rows.digests())
    return running.hex()


def test_the_same_rows_have_one_digest_in_every_kind_of_file(tmp_path):
    """A log that was compressed, or written in another format, is the same log."""
    rows = log_rows(500)
    found = {kind: content_digest(write(tmp_path / f"log.{kind}", rows)) for kind in KINDS}
    assert len(set(found.values())) == 1, found
    shutil.copy(tmp_path / "log.csv", tmp_path / "other name.csv")
    assert content_digest(tmp_path / "other name.csv", batch_rows=7) == found["csv"]


@pytest.mark.parametrize(
    "field", ["user_id", "timestamp", "scenario", "item_id", "text", "event_id", "action"]
)
def test_each_field_of_a_row_counts(tmp_path, field):
    """One changed value of one row makes other content."""
    rows = log_rows(30)
    before = content_digest(write(tmp_path / "a.jsonl", rows))
    rows[20] = {**rows[20], field: 5.0 if field == "timestamp" else "another"}
    assert content_digest(write(tmp_path / "b.jsonl", rows)) != before


def test_order_and_repeats_of_rows_count(tmp_path):
    """Rows in another order are another log, and so is a log with a row twice."""
    rows = log_rows(10)
    logs = [rows, rows[::-1], [*rows, rows[-1]]]
    found = {content_digest(write(tmp_path / f"{i}.csv", log)) for i, log in enumerate(logs)}
    assert len(found) == 3


def test_what_is_said_on_the_command_line_is_no_content(tmp_path):
    """A default action or scenario changes no identity; columns that nobody reads don't either."""
    rows = [{k: v for k, v in row.items() if k != "action"} for row in log_rows(20)]
    path = write(tmp_path / "a.csv", rows)
    wider = write(tmp_path / "b.csv", [{**row, "colour": "red"} for row in rows])
    click = content_digest(path, description={"action": {"path": "action", "default": "click"}})
    assert click == content_digest(
        path,
        description={
            "action": {"path": "action", "default": "browse"},
            "scenario": {"path": "scenario", "default": "x"},
        },
    )
    assert click == content_digest(wider, description={"action": {"path": "action", "default": "click"}})


class Model:
    """Replays files given as lists of rows, and counts how often each row was applied."""

    def __init__(self) -> None:
        self.known: dict[str, LogFacts] = {}
        self.progress: dict[str, int] = {}
        self.applied: dict[int, int] = {}

    def replay(self, rows: list[int], batch: int, stop: int | None = None):
        """Apply a file; stop: after this many rows, as if killed."""
        hashes = np.array(rows, np.uint64)[:, None] * np.array([0x9E3779B97F4A7C15, 3], np.uint64)
        batches = (hashes[i : i + batch] for i in range(0, len(rows), batch))
        known = KnownLogs(self.known)
        segments, changed, overlap = segments_of("file", read_content(batches, known), known)
        self.known |= {identity: LogFacts.of_about(facts.about()) for identity, facts in changed.items()}
        assert [s.start for s in segments] == [0, *(s.end for s in segments[:-1])]
        assert not rows or segments[-1].end == len(rows)
        for segment in segments:
            for row in range(segment.start, segment.end):
                if stop is not None and row >= stop:
                    return overlap
                if row - segment.start < self.progress.get(segment.identity, 0):
                    continue
                self.applied[rows[row]] = self.applied.get(rows[row], 0) + 1
                self.progress[segment.identity] = row - segment.start + 1
        return overlap


def test_a_log_that_grew_goes_on_where_it_was():
    """The 210 rows of a log that grew by ten are applied once each."""
    model = Model()
    model.replay(list(range(200)), 64)
    model.replay(list(range(210)), 64)
    model.replay(list(range(200)), 64)
    assert model.applied == dict.fromkeys(range(210), 1)
    assert len(model.known) == 1


def test_two_logs_that_begin_alike_lose_nothing():
    """What follows the common rows is each log's own."""
    model = Model()
    model.replay([1, 2, 3], 2)
    model.replay([1, 2, 3, 4, 5], 2)
    model.replay([1, 2, 3, 6, 7], 2)
    model.replay([1, 2, 3, 6, 7, 8], 2)
    assert model.applied == dict.fromkeys(range(1, 9), 1)


def test_days_that_were_replayed_are_known_within_a_week():
    """Files put together are known whole, one after the other."""
    model = Model()
    days = [list(range(start, start + size)) for start, size in [(0, 100), (1000, 1), (2000, 250)]]
    for day in days:
        model.replay(day, 33)
    model.replay([*days[0], *days[1], *days[2], 5000], 33)
    model.replay([*days[2], 5000, 5001], 33)
    assert set(model.applied.values()) == {1}
    assert len(model.applied) == 353


def test_an_overlap_that_is_no_whole_is_told():
    """Exports of the last seven days share rows in the middle: nobody can continue them, so it is said."""
    model = Model()
    assert model.replay(list(range(250)), 100) is None
    overlap = model.replay(list(range(50, 300)), 100)
    assert overlap is not None
    assert overlap.share == pytest.approx(200 / 300, abs=0.25)
    assert model.replay(list(range(1000, 1300)), 100) is None, "another log"


def test_a_copy_that_was_cut_is_told():
    """A shorter copy at a size that the log never had is a new log, and said to be suspicious."""
    model = Model()
    model.replay(list(range(300)), 100)
    overlap = model.replay(list(range(200)), 100)
    assert overlap is not None
    assert overlap.known == "file"


@st.composite
def stories(draw):
    """Replays of logs that are new, known, grown, or put together from known ones; some are killed on the way."""
    fresh = itertools.count()
    logs: list[list[int]] = []
    story = []
    for _ in range(draw(st.integers(2, 9))):
        new = [next(fresh) for _ in range(draw(st.integers(1, 30)))]
        kind = draw(st.sampled_from(["new", "again", "grown", "together"])) if logs else "new"
        if kind == "new":
            rows = new
        elif kind == "together":
            parts = draw(st.lists(st.sampled_from(range(len(logs))), min_size=1, max_size=3, unique=True))
            rows = [row for part in parts for row in logs[part]] + draw(st.sampled_from([[], new]))
        else:
            chosen = draw(st.integers(0, len(logs) - 1))
            rows = logs[chosen] + (new if kind == "grown" else [])
            if kind == "grown":
                logs[chosen] = rows
        if kind == "new":
            logs.append(rows)
        stop = draw(st.none() | st.integers(0, len(rows)))
        if stop is not None:
            story.append((rows, draw(st.integers(1, 20)), stop))
        story.append((rows, draw(st.integers(1, 20)), None))
    return story


@settings(max_examples=300, deadline=None)
@given(stories())
def test_every_row_is_applied_once(story):
    """New, known, grown and joined files in any order, killed and run again: each row counts once."""
    model = Model()
    rows_of_all = set()
    for rows, batch, stop in story:
        model.replay(rows, batch, stop)
        rows_of_all |= set(rows)
        if stop is None:
            assert model.applied == dict.fromkeys(rows_of_all, 1)


def test_facts_stay_small():
    """A log that grew every day for years is some kilobytes in the store."""
    model = Model()
    rows: list[int] = []
    for day in range(200):
        rows += range(day * 10, day * 10 + 10)
        model.replay(rows, 1000)
    (facts,) = model.known.values()
    assert len(str(facts.about())) < 5_000
    assert facts.rows == 2_000
    assert model.applied == dict.fromkeys(range(2_000), 1)


def test_a_sketch_estimates_what_two_logs_share():
    """Half of the rows in common is seen as about half, nothing as nothing."""
    rng = np.random.default_rng(3)
    rows = rng.integers(1, 2**63, (30_000, 2)).astype(np.uint64)
    a = Sketch.none().with_rows(rows[:15_000]).with_rows(rows[15_000:20_000])
    b = Sketch.none().with_rows(rows[10_000:])
    assert a.share_in(b) == pytest.approx(1 / 3, abs=0.2)
    assert a.share_in(Sketch.none().with_rows(rows[20_000:])) == 0
    assert a.share_in(Sketch.of_text(a.text())) == 1
    assert Sketch.none().share_in(Sketch.none()) == 0


def test_a_reader_goes_on_at_any_row(tmp_path):
    """Rows from a given one on are the same rows, whatever the kind of file and its blocks."""
    rows = log_rows(3_000)
    for kind in ("parquet", "csv", "jsonl.gz"):
        log = open_logs([write(tmp_path / f"log.{kind}", rows)], now=NOW, batch_rows=190)
        for start in (0, 1, 19, 20, 21, 2_345, 2_999, 3_000):
            batches = [b for b in log.batches(lambda source, start=start: start) if not b.known]
            offsets = np.concatenate([[], *(b.columns.offset for b in batches)]).tolist()
            assert offsets == list(range(start, 3_000))
            ids = [event_id for b in batches for event_id in b.event_ids]
            assert ids == [f"e{i}" for i in range(start, 3_000)]
            assert [b.rows for b in log.batches(lambda source, start=start: start) if b.known] == [start] * (
                start > 0
            )


def test_rows_appended_while_it_is_read_wait_for_the_next_run(tmp_path):
    """A log is what it was when it was checked; what came since may be half a row."""
    path = write(tmp_path / "log.jsonl", log_rows(100))
    log = open_logs([path], now=NOW, batch_rows=30)
    with path.open("a") as file:
        file.write('{"user_id": "u", "timest')
    assert sum(batch.rows for batch in log) == 100


def test_blocks_of_a_large_file_make_no_difference(tmp_path):
    """Above every block size: 300,000 rows in Parquet with small row groups and as CSV of several blocks."""
    count = 300_000
    table = pa.table(
        {
            "user_id": pa.array([f"user{i % 977}" for i in range(count)]),
            "timestamp": np.arange(count, dtype=np.int64) + 1_600_000_000,
            "scenario": pa.array(["books"] * count).dictionary_encode(),
            "item_id": pa.array([f"a rather long item name {i % 5000}" for i in range(count)]),
            "action": pa.array(["click"] * count),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=9_999)
    pq.write_table(table, tmp_path / "b.parquet", use_dictionary=False, compression="zstd")
    lines = "".join(
        f"user{i % 977},{1_600_000_000 + i},books,a rather long item name {i % 5000},click\n"
        for i in range(count)
    )
    data = ("user_id,timestamp,scenario,item_id,action\n" + lines).encode()
    assert len(data) > 3 * (1 << 22)
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(data, 1))
    digests = {content_digest(tmp_path / name) for name in ("a.parquet", "b.parquet", "c.csv.gz")}
    assert len(digests) == 1
