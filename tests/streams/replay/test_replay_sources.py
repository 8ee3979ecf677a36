"""Replayed logs are known by their content: nothing is counted twice that was in a file that grew, moved or came again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.files.tabular_file import fingerprint
from streams.ingest.intake import open_intake
from streams.replay.manifest import (
    manifest_of,
    positions_from_manifest,
    read_manifest,
    resume_advice,
    write_manifest,
)
from streams.replay.replay import replay
from streams.settings import Settings
from support.data.event_columns import NOW
from support.data.log_files import write
from support.data.replayed import busy_rows, counts_expected, counts_in, counts_of, replayed
from support.qdrant_server import QdrantServer
from transfer.config import InterestConfig


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store may be made."""
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    with QdrantServer(tmp_path / "q") as server:
        yield server.url


def test_a_log_that_grew_is_continued(place: str, tmp_path: Path) -> None:
    """Ten rows more are ten events more, whatever the log is called and packed by then."""
    replayed(place, write(tmp_path / "log.jsonl", busy_rows(0, 600)))
    grown = replayed(place, write(tmp_path / "moved.csv.gz", busy_rows(0, 610)))
    assert (grown.events, grown.applied, grown.duplicates) == (610, 10, 600)
    again = replayed(place, write(tmp_path / "again.parquet", busy_rows(0, 600)))
    assert (again.applied, again.duplicates) == (0, 600)
    assert counts_in(place) == counts_expected(busy_rows(0, 610))
    assert InterestConfig().ring < 200, "the users have more events than the ring would recognise"


def test_days_that_overlap_whole_are_applied_once(place: str, tmp_path: Path) -> None:
    """[day 1, day 2], then [day 2, day 3], then a file of all of them and one row more."""
    days = [write(tmp_path / f"day{n}.csv", busy_rows(500 * n, 500 * n + 500)) for n in range(3)]
    replayed(place, days[0], days[1])
    second = replayed(place, days[1], days[2])
    assert (second.applied, second.duplicates) == (500, 500)
    week = replayed(place, write(tmp_path / "week.parquet", busy_rows(0, 1501)))
    assert (week.applied, week.duplicates) == (1, 1500)
    assert counts_in(place) == counts_expected(busy_rows(0, 1501))


def test_more_daily_logs_than_sources_were_once_remembered_are_all_known(place: str, tmp_path: Path) -> None:
    """However many logs a user has events of, none is applied again."""
    days = [write(tmp_path / f"{n}.jsonl", busy_rows(30 * n, 30 * n + 30)) for n in range(18)]
    with open_intake(place, Settings(), create=True) as intake:
        for day in days:
            assert replay(intake, open_logs([day], now=NOW)).applied == 30
        again = replay(intake, open_logs(days, now=NOW))
        assert (again.applied, again.duplicates) == (0, 540)
        assert counts_of(intake) == counts_expected(busy_rows(0, 540))


def test_a_log_and_its_own_beginning_given_together_are_one(place: str, tmp_path: Path) -> None:
    """In either order."""
    whole = write(tmp_path / "whole.jsonl", busy_rows(0, 600))
    part = write(tmp_path / "part.jsonl", busy_rows(0, 450))
    done = replayed(place, whole, part)
    assert (done.applied, done.duplicates) == (600, 450)
    assert counts_in(place) == counts_expected(busy_rows(0, 600))


@pytest.mark.server
def test_two_replays_of_one_log_at_once_count_it_once(tmp_path: Path) -> None:
    """Two writers of a server store recognise each other's rows."""
    with QdrantServer(tmp_path / "q") as server:
        path = write(tmp_path / "log.parquet", busy_rows(0, 900))
        open_intake(server.url, Settings(), create=True).__exit__(None, None, None)
        runs = [threading.Thread(target=replayed, args=(server.url, path)) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert counts_in(server.url) == counts_expected(busy_rows(0, 900))


RUN = """
import sys
from pathlib import Path
from support.data.replayed import replayed
replayed(sys.argv[1], *map(Path, sys.argv[2:]), batch_rows=50, progress=lambda rows: print(rows, flush=True))
"""


def test_a_replay_that_is_killed_goes_on_where_it_was(place: str, tmp_path: Path) -> None:
    """SIGKILL after a few batches, twice, the log growing meanwhile: each row counts once, and none is decoded again that
    was done."""
    path = tmp_path / "log.jsonl"
    rows = 6_000
    for batches in (3, 9):
        write(path, busy_rows(0, rows))
        rows += 500
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, place, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([p for p in sys.path if p])},
        )
        assert process.stdout is not None
        for _ in range(batches):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, "it was through before it was killed"
    write(path, busy_rows(0, rows))
    done = replayed(place, path)
    assert done.events == rows
    assert done.duplicates >= 8 * 50, "what was done is passed over"
    assert done.applied < rows
    assert counts_in(place) == counts_expected(busy_rows(0, rows))


def test_a_log_that_was_rejected_whole_is_applied_when_that_is_fixed(place: str, tmp_path: Path) -> None:
    """A replay that applied nothing leaves no trace that would keep the log out."""
    path = write(tmp_path / "log.csv", [{**row, "action": "stare"} for row in busy_rows(0, 300)])
    first = replayed(place, path)
    assert (first.applied, first.rejected) == (0, 300)
    text = path.read_text().replace(",stare", ",click")
    path.write_text(text)
    assert replayed(place, path).applied == 300
    milliseconds = [{**row, "timestamp": row["timestamp"] * 1000} for row in busy_rows(300, 600)]
    path = write(tmp_path / "later.jsonl", milliseconds)
    assert replayed(place, path).applied == 0
    seconds = [{**row, "seconds": row["timestamp"] / 1000} for row in milliseconds]
    path = write(tmp_path / "later.jsonl", seconds)
    with open_intake(place, Settings(), create=True) as intake:
        done = replay(intake, open_logs([path], {"timestamp": "seconds"}, now=NOW))
    assert done.applied == 300


def test_a_log_that_an_older_release_replayed_is_recognised(tmp_path: Path) -> None:
    """Its marks are kept by the bytes of the file; the same bytes are the same log."""
    path = write(tmp_path / "log.csv", busy_rows(0, 200))
    place = str(tmp_path / "store")
    replayed(place, path)
    with open_intake(place, Settings(), create=True) as intake:
        (info,) = [
            info for identity, info in intake.store.sources.known().items() if identity.startswith("log/")
        ]
    assert info.aliases == (fingerprint([path]),)


def log_with_positions(rows: list[dict], partitions: int = 2) -> list[dict]:
    """Rows as an archive of the topics has them."""
    ends: dict[tuple[str, int], int] = {}
    found = []
    for row in rows:
        topic = {"browse": "browses", "click": "clicks", "purchase": "purchases"}[row["action"]]
        partition = int(row["user_id"][-1]) % partitions
        offset = ends.get((topic, partition), 0)
        ends[topic, partition] = offset + 1
        found.append({**row, "topic": topic, "partition": partition, "offset": offset})
    return found


def test_the_manifest_tells_where_a_daemon_goes_on(place: str, tmp_path: Path) -> None:
    """Of logs with topic, partition and offset: the offsets after the last ones, kept in the store too."""
    rows = log_with_positions(busy_rows(0, 700))
    done = replayed(place, write(tmp_path / "log.parquet", rows))
    with open_intake(place, Settings(), create=True) as intake:
        manifest = manifest_of(intake.store, done.sources)
        assert manifest == manifest_of(intake.store)
        store_id = intake.store.id
    write_manifest(tmp_path / "manifest.json", manifest)
    read = read_manifest(tmp_path / "manifest.json")
    expected: dict[tuple[str, int], int] = {}
    for row in rows:
        expected[row["topic"], row["partition"]] = row["offset"] + 1
    assert positions_from_manifest(read, store_id) == expected
    (log,) = read["logs"]
    assert (log["rows"], log["done"], log["name"]) == (700, 700, "log.parquet")
    assert log["first_event_time"] == rows[0]["timestamp"]
    assert read["last_event_time"] == rows[-1]["timestamp"]
    with pytest.raises(LogError, match="another store"):
        positions_from_manifest(read, "another")


def test_a_manifest_without_positions_says_what_may_be_counted_twice(tmp_path: Path) -> None:
    """The way on is a time, and what is not exact then is reported."""
    place = str(tmp_path / "store")
    done = replayed(place, write(tmp_path / "log.parquet", busy_rows(0, 100)))
    with open_intake(place, Settings(), create=True) as intake:
        manifest = manifest_of(intake.store, done.sources)
    with pytest.raises(LogError, match=r"columns topic, partition and offset.*--from .*ounted twice"):
        positions_from_manifest(manifest)
    assert f"--from {busy_rows(99, 100)[0]['timestamp']:.3f}" in resume_advice(manifest)


def test_a_replay_that_was_not_finished_gives_no_positions(tmp_path: Path) -> None:
    """A daemon that continued there would lose what is missing."""
    place = str(tmp_path / "store")
    path = write(tmp_path / "log.parquet", log_with_positions(busy_rows(0, 500)))

    class Stop(Exception):
        pass

    def stop(rows: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        replayed(place, path, batch_rows=100, progress=stop)
    with open_intake(place, Settings(), create=True) as intake:
        manifest = manifest_of(intake.store)
    assert manifest["logs"][0]["done"] == 100
    with pytest.raises(LogError, match="not finished"):
        positions_from_manifest(manifest)


def test_columns_of_other_meaning_are_no_positions(tmp_path: Path) -> None:
    """A topic is a subject in many a log: without all three columns, or with other values, it is just not read."""
    place = str(tmp_path / "store")
    rows = [{**row, "topic": "sports", "partition": "left", "offset": None} for row in busy_rows(0, 50)]
    for number, (name, table) in enumerate(
        [
            ("a.csv", rows),
            ("b.jsonl", [{k: v for k, v in row.items() if k != "offset"} for row in rows]),
            ("c.jsonl", rows),
        ]
    ):
        shifted = [{**row, "timestamp": row["timestamp"] + number * 1e5} for row in table]
        assert replayed(place, write(tmp_path / name, shifted)).applied == 50


def test_a_copied_file_is_not_even_decoded(tmp_path: Path) -> None:
    """A log whose bytes are known costs no second look at its rows."""
    place = str(tmp_path / "store")
    path = write(tmp_path / "log.jsonl", busy_rows(0, 5_000))
    replayed(place, path, batch_rows=5_000)
    shutil.copy(path, tmp_path / "copy.jsonl")
    start = time.perf_counter()
    again = replayed(place, tmp_path / "copy.jsonl")
    assert (again.applied, again.duplicates) == (0, 5_000)
    assert time.perf_counter() - start < 10


def test_times_that_are_rejected_are_no_part_of_a_manifest(tmp_path: Path) -> None:
    """A clock of 1970 or of the far future in one row does not say where the log begins and ends."""
    place = str(tmp_path / "store")
    rows = busy_rows(0, 50)
    wrong = [{**rows[0], "timestamp": 1_795_900.0}, {**rows[0], "timestamp": NOW + 9e9}]
    path = write(tmp_path / "log.parquet", [wrong[0], *rows, wrong[1]])
    with open_intake(place, Settings(), create=True) as intake:
        done = replay(intake, open_logs([path], Settings().description, now=NOW))
        assert (done.applied, done.rejected) == (50, 2)
        (log,) = manifest_of(intake.store)["logs"]
    times = [row["timestamp"] for row in rows]
    assert (log["first_event_time"], log["last_event_time"]) == (min(times), max(times))
