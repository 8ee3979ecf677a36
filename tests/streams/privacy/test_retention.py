"""Users who have not acted for long are dropped, and nothing that was read brings them back."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.event_log.log import open_logs
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED, REDELIVERED
from streams.privacy.forget import consent_users, forget_users
from streams.privacy.retention import drop_idle_users
from streams.replay.replay import replay
from streams.settings import Settings
from streams.worker.retention_sweep import RetentionSweep
from support.checks.states import assert_same_states
from support.data.damaged import damage
from support.data.event_columns import NOW, columns_of, event
from support.data.replayed import counts_of
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import driftline
from support.servers.quick_folder import quick_folder

DAY = 86_400.0
KEEP = Settings.model_validate({"retention": {"days": 30}})


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest) -> Iterator[str]:
    with quick_folder() as folder:
        if request.param == "folder":
            yield str(folder / "s")
        else:
            with QdrantServer(folder / "q") as server:
                yield server.url


def opened(location: str) -> Intake:
    return open_intake(location, KEEP, create=True)


def old_and_new() -> list[dict[str, Any]]:
    """Events of u0..u9; those of even users lie 40 days before those of the others."""
    return [
        event(f"u{n % 10}", f"i{n % 7}", at=-(50 if n % 2 == 0 else 10) * DAY + n, action="click")
        for n in range(60)
    ]


def log_of(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_replay_of_what_was_read_brings_nobody_back(location: str, tmp_path: Path) -> None:
    """After the drop the same log changes nothing; later events of a dropped user begin a new state."""
    log = log_of(tmp_path, old_and_new())
    with opened(location) as intake:
        replay(intake, open_logs([log], now=NOW))
        done = drop_idle_users(intake.store, 30, dry_run=True)
        assert (done.users, done.dropped, intake.store.users.count()) == (10, 5, 10)
        done = drop_idle_users(intake.store, 30)
        assert (done.users, done.dropped) == (10, 5)
    with opened(location) as intake:
        again = replay(intake, open_logs([log], now=NOW))
        assert (again.applied, again.duplicates) == (0, 60)
        assert sorted(counts_of(intake)) == [f"u{n}" for n in range(1, 10, 2)]
        assert drop_idle_users(intake.store, 30).dropped == 0
        outcome = intake.ingest.apply(columns_of([event("u0", "z", at=0.0)]))
        assert outcome.code.tolist() == [APPLIED] and counts_of(intake)["u0"] == 1


def test_what_is_read_again_of_an_unfinished_source_is_recognised(location: str) -> None:
    """A user whose marks lie above their source's progress is dropped, and the events that made them stay out."""
    events = columns_of([event("old", "a", at=-50 * DAY), event("old", "b", at=-49 * DAY), event("new", "a")])
    with opened(location) as intake:
        intake.ingest.apply(events)  # and killed before the progress was raised
        assert drop_idle_users(intake.store, 30).dropped == 1
    with opened(location) as intake:
        assert intake.store.users.read(["old"]) == [None]
        assert intake.ingest.apply(events).code.tolist() == [REDELIVERED] * 3
        assert counts_of(intake) == {"new": 1}
        later = columns_of([event("old", "c", at=0.0)], offsets=[9])
        assert intake.ingest.apply(later).code.tolist() == [APPLIED]
        assert counts_of(intake) == {"new": 1, "old": 1}


@pytest.mark.parametrize("seed", range(3))
def test_the_kept_are_those_of_a_store_that_never_had_the_others(location: str, seed: int) -> None:
    """Whatever the order of events: who stays is exact."""
    events = old_and_new()
    random.Random(seed).shuffle(events)
    with quick_folder() as folder, opened(location) as intake, opened(str(folder / "truth")) as truth:
        for start in range(0, 60, 7):
            part = events[start : start + 7]
            intake.ingest.apply(columns_of(part, offsets=range(start, start + len(part))))
        truth.ingest.apply(columns_of([row for row in events if int(row["user_id"][1:]) % 2]))
        drop_idle_users(intake.store, 30)
        assert assert_same_states(intake.store, truth.store, truth.workspace.interest) == 5


def test_a_daemon_sweeps_when_it_is_due(location: str) -> None:
    """Once in a while, by wall time; what it holds in memory goes too, and damaged users are left to repair."""
    clock = [NOW]
    with opened(location) as intake:
        intake.ingest.apply(columns_of(old_and_new()))
        damage(intake, "u1")
        sweep = RetentionSweep(intake, now=lambda: clock[0])
        assert sweep.sweep_if_due() == 5
        assert intake.metrics.users_dropped._value.get() == 5
        assert [held is None for held in intake.ingest.cache.get(["u0", "u3"])] == [True, False]
        # Held in memory, a dropped user would have been written back here.
        more = [event(f"u{n}", "z", at=-50 * DAY) for n in (0, 2)]
        intake.ingest.apply(columns_of(more, offsets=[100, 101]))
        assert counts_in_memory(intake, "u0") == 1
        clock[0] += 3600
        assert sweep.sweep_if_due() == 0
        clock[0] += 86_400
        assert sweep.sweep_if_due() == 2


def counts_in_memory(intake: Intake, user: str) -> int:
    (record,) = intake.store.users.read([user])
    from transfer.state.packing import unpack_states

    assert record is not None
    return int(unpack_states([record.state], intake.workspace.interest).n_events[0])


def test_from_when_a_consent_counts_outlives_the_drop(location: str) -> None:
    """A user who was forgotten once, consented, and was dropped later: events of before the consent stay out."""
    with opened(location) as intake:
        forget_users(intake.store, ["ada"], NOW - 60 * DAY)
        consent_users(intake.store, ["ada"], NOW - 59 * DAY)
        intake.ingest.apply(columns_of([event("ada", at=-50 * DAY), event("bob", at=0.0)]))
        assert drop_idle_users(intake.store, 30).dropped == 1
        intake.ingest.cache.forget(["ada"])
        before = columns_of([event("ada", "x", at=-70 * DAY)], source="log/old")
        intake.ingest.apply(before)
        assert counts_of(intake) == {"bob": 1}


def test_from_the_command_line(tmp_path: Path) -> None:
    """Without a number of days it is asked for; --dry-run tells, --yes does; as-of decides against which time."""
    store = str(tmp_path / "s")
    log = log_of(tmp_path, old_and_new())
    assert driftline("replay", str(log), "--store", store).returncode == 0
    assert driftline("expire", "--store", store, "--yes").returncode == 2
    told = driftline("expire", "--days", "30", "--dry-run", "--store", store)
    assert "5 of 10 users would be dropped" in told.stdout
    done = driftline("expire", "--yes", "--json", "--store", store, DRIFTLINE_RETENTION__DAYS="30")
    assert json.loads(done.stdout)["dropped"] == 5
    all_of_them = driftline("expire", "--days", "30", "--as-of", "2030-01-01", "--yes", "--store", store)
    assert "5 of 5 users dropped" in all_of_them.stdout
