"""Exports that overlap: each event once, by --after and --once, and refused where neither is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from streams.errors import LogError
from streams.event_log.log import Log, open_logs
from streams.ingest.intake import open_intake
from streams.replay.once import SharedRows
from streams.replay.registered_log import known_logs
from streams.settings import Settings
from support.data.event_columns import NOW
from support.data.log_files import write
from support.data.replayed import busy_rows, counts_expected, counts_in, replayed
from transfer.config import InterestConfig

ONCE = SharedRows("once")


def log_of(*paths: Path) -> Log:
    return open_logs(paths, now=NOW, batch_rows=250)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_each_night_the_last_week_counts_each_event_once(place: str, tmp_path: Path) -> None:
    """Three exports of which each repeats most of the one before, far more of it than the ring would recognise; the rows of
    the second are in another order and another format."""
    nights = [busy_rows(0, 900), busy_rows(300, 1200), busy_rows(600, 1500)]
    random.Random(1).shuffle(nights[1])
    paths = [
        write(tmp_path / name, rows)
        for name, rows in zip(["1.csv", "2.parquet", "3.jsonl"], nights, strict=True)
    ]
    replayed(place, paths[0])
    second = replayed(place, paths[1], shared=SharedRows("once", log_of(paths[0])))
    third = replayed(place, paths[2], shared=SharedRows("once", log_of(paths[1])))
    assert (second.applied, second.duplicates, third.applied) == (300, 600, 300)
    assert counts_in(place) == counts_expected(busy_rows(0, 1500))
    assert replayed(place, *paths).applied == 0
    assert InterestConfig().ring < 200


def test_an_overlap_is_refused_and_leaves_nothing_behind(place: str, tmp_path: Path) -> None:
    """Nobody's events are counted twice because nobody said what to do; said to be counted, they are."""
    one, two = (write(tmp_path / f"{n}.csv", busy_rows(300 * n, 300 * n + 900)) for n in range(2))
    replayed(place, one)
    for _ in range(2):
        with pytest.raises(LogError, match=r"1\.csv: about .* of its rows seem to be those of 0\.csv"):
            replayed(place, two)
    assert counts_in(place) == counts_expected(busy_rows(0, 900))
    counted = replayed(place, two, shared=SharedRows("count"))
    assert counted.applied == 900 - 3 * InterestConfig().ring, "all but what each user's ring recognises"


def test_logs_given_together_count_each_event_once(place: str, tmp_path: Path) -> None:
    """Within one replay no other log has to be named; a tracker that sends twice, hours later, is counted once, too."""
    rows = busy_rows(0, 900)
    paths = [
        write(tmp_path / "1.csv", [*rows, *rows[100:200]]),
        write(tmp_path / "2.csv", busy_rows(450, 1200)),
    ]
    done = replayed(place, *paths, shared=ONCE)
    assert (done.events, done.applied) == (1750, 1200)
    assert counts_in(place) == counts_expected(busy_rows(0, 1200))


def test_a_replay_that_stopped_goes_on_as_it_was_begun(place: str, tmp_path: Path) -> None:
    """Stopped after any batch, it is refused without what it was begun with, and then leaves out the same rows."""
    one = write(tmp_path / "1.csv", busy_rows(0, 900))
    two = write(tmp_path / "2.csv", [*busy_rows(300, 1500), *busy_rows(1000, 1100)])
    replayed(place, one)
    shared = SharedRows("once", log_of(one))
    for stop_after in (1, 2, 1):
        batches = iter(range(stop_after))

        def stop(rows: int, batches: object = batches) -> None:
            if next(batches, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            replayed(place, two, shared=shared, progress=stop)
        for wrong in (SharedRows(), ONCE, SharedRows("count")):
            with pytest.raises(LogError, match="was begun with --once and was stopped"):
                replayed(place, two, shared=wrong)
    replayed(place, two, shared=shared)
    assert counts_in(place) == counts_expected(busy_rows(0, 1500))
    grown = write(tmp_path / "2.csv", [*busy_rows(300, 1500), *busy_rows(1000, 1100), *busy_rows(1500, 1510)])
    assert replayed(place, grown).applied == 10, "what it was begun with is needed no longer"


def test_only_what_the_store_has_is_left_out(place: str, tmp_path: Path) -> None:
    """An older log that was never replayed, or only in part, is named: its events would be missing."""
    one = write(tmp_path / "1.csv", busy_rows(0, 600))
    two = write(tmp_path / "2.csv", busy_rows(300, 900))
    with pytest.raises(LogError, match=r"1\.csv: is not in the store"):
        replayed(place, two, shared=SharedRows("once", log_of(one)))
    replayed(place, one)
    packed = write(tmp_path / "packed.parquet", busy_rows(0, 600))
    assert replayed(place, two, shared=SharedRows("once", log_of(packed))).applied == 300
    with open_intake(place, Settings(), create=False) as intake:
        noted = {facts.name: facts.once for facts in known_logs(intake.store.sources).values()}
    assert noted["1.csv"] is None and noted["2.csv"] is not None
