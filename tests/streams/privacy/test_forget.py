"""Forgotten users stay forgotten: whatever is in memory, late, replayed, redriven, rebuilt or repaired."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sinks.errors import StoreUnavailable
from sinks.points import user_point_id
from sinks.protocols import Store
from sinks.writer import FORGOTTEN as HELD_FORGOTTEN
from streams.event_log.log import open_logs
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED, FORGOTTEN, REDELIVERED
from streams.privacy.forget import consent_users, forget_users
from streams.replay.once import SharedRows
from streams.replay.replay import replay
from streams.settings import Settings
from streams.workspace.rebuild import rebuild
from streams.workspace.transfer_model import version_of
from support.checks.states import assert_same_states
from support.data.event_columns import NOW, columns_of, event
from support.data.replayed import counts_of
from support.fakes.lane_story import Worker, batch, in_lanes
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder
from transfer.analytic.model import AnalyticTransfer
from transfer.config import TransferConfig

USERS = ["ada", "bob", "eve"]
OTHER = Settings(transfer=TransferConfig(emergence_gain=0.0, short_term_share=0.9))


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest) -> Iterator[str]:
    with quick_folder() as folder:
        if request.param == "folder":
            yield str(folder / "s")
        else:
            with QdrantServer(folder / "q") as server:
                yield server.url


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with quick_folder() as folder, QdrantServer(folder) as server:
        yield server


def opened(location: str, settings: Settings | None = None) -> Intake:
    return open_intake(location, settings or Settings(), create=True)


def of_all(at: float, count: int = 4) -> list[dict[str, Any]]:
    return [event(user, f"i{n}", at=at + n) for n in range(count) for user in USERS]


def points_with(store: Store, user: str) -> list[int]:
    """The holds that claims in all versions give."""
    return [users.claim([user]).holds[0] for users in (store.users, *store.versions.beside())]


def test_events_of_a_forgotten_user_do_not_apply_until_consent(location: str) -> None:
    """None does, whatever its time; after a consent those do that are later than it, and no others, ever."""
    with opened(location) as intake:
        intake.ingest.apply(columns_of(of_all(0)))
        done = forget_users(intake.store, ["ada", "nobody"], NOW)
        assert (done.users, done.absent, done.versions) == (1, 1, 1)
        intake.ingest.cache.forget(USERS)  # a folder has one process: this is another one
        events = columns_of(
            [event("ada", "x", at=at) for at in (0.0, 86_400.0, 87_000.0)], offsets=[20, 21, 22]
        )
        assert intake.ingest.apply(events).code.tolist() == [FORGOTTEN] * 3
        assert intake.ingest.apply(events).code.tolist() == [FORGOTTEN] * 3
        nobody = columns_of([event("nobody", "x", at=5.0)], offsets=[30])
        assert intake.ingest.apply(nobody).code.tolist() == [FORGOTTEN]
        assert consent_users(intake.store, ["ada", "bob"], NOW + 60) == [True, False]
        later = [event("ada", f"y{n}", at=86_400 + 60.0 * n) for n in range(4)]
        codes = intake.ingest.apply(columns_of(later, offsets=[40, 41, 42, 43])).code.tolist()
        assert codes == [FORGOTTEN, FORGOTTEN, APPLIED, APPLIED]
        assert counts_of(intake)["ada"] == 2
        # From memory, and from a log that is replayed under a source of its own.
        assert intake.ingest.apply(columns_of(of_all(0), source="log/again")).count(FORGOTTEN) == 4
        assert counts_of(intake)["ada"] == 2
        assert (
            intake.ingest.apply(columns_of(later, offsets=[40, 41, 42, 43])).code.tolist()
            == [REDELIVERED] * 4
        )


def test_a_replay_brings_nobody_back(location: str, tmp_path: Path) -> None:
    """Rows of forgotten users are counted apart, are no rejects, and the others are as ever."""
    rows = [{**row, "action": "click"} for row in of_all(0)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with opened(location) as intake:
        replay(intake, open_logs([log], now=NOW))
        forget_users(intake.store, ["eve"], NOW + 0.123457)
        intake.ingest.cache.forget(USERS)
        log.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[:3]][::-1]))
        summary = replay(intake, open_logs([log], now=NOW), shared=SharedRows("count"))
        assert (summary.forgotten, summary.rejected) == (5, 0)
        assert intake.store.users.read(["eve"]) == [None]


@pytest.mark.server
def test_a_daemon_that_holds_the_user_in_memory_drops_its_events(server: QdrantServer) -> None:
    """Its write is refused, what it claims then is a tombstone: no dead letter, the offsets pass, the neighbours apply."""
    with opened(server.url) as intake, opened(server.url) as other:

        async def story(worker: Worker) -> None:
            await worker.through(batch(*of_all(0)))
            forget_users(other.store, ["ada"], NOW)
            await worker.through(batch(*of_all(100), first=20), batch(event("ada"), first=60))
            assert worker.producer.sent == []
            assert worker.lanes.outcomes["forgotten"] == 5

        in_lanes(intake, story)
        assert counts_of(other) == {"bob": 8, "eve": 8}


@pytest.mark.server
@pytest.mark.parametrize("backwards", [False, True])
def test_late_requests_bring_nobody_back(server: QdrantServer, backwards: bool) -> None:
    """Writes and claims of before that were answered as failed, and are carried out after the user was forgotten, change
    nothing; nor does a forgetting that is carried out late undo a consent."""
    with opened(server.url) as intake, opened(server.url) as other:
        intake.ingest.apply(columns_of(of_all(0)))
        for method in ("Upsert", "SetPayload"):
            server.late_next(1, method)
            with pytest.raises(StoreUnavailable):
                intake.ingest.apply(columns_of(of_all(50), offsets=range(40, 52)))
        forget_users(other.store, USERS, NOW)
        assert server.release_late(backwards) >= 1
        assert other.store.users.claim(USERS).holds == [HELD_FORGOTTEN] * 3
        assert set(intake.ingest.apply(columns_of(of_all(50), offsets=range(40, 52))).code.tolist()) == {
            FORGOTTEN
        }
        server.late_next(1, "Upsert")
        with pytest.raises(StoreUnavailable):
            forget_users(other.store, ["ada"], NOW + 1)
        assert consent_users(intake.store, ["ada"], NOW + 2) == [True]
        server.release_late()
        later = columns_of([event("ada", "y", at=86_500.0)], offsets=[60])
        assert intake.ingest.apply(later).code.tolist() == [APPLIED]


@pytest.mark.server
@pytest.mark.parametrize("method", ["SetPayload", "Upsert", "Get", "Count"])
def test_a_forgetting_whose_answers_are_lost_is_repeated(server: QdrantServer, method: str) -> None:
    """Wherever it is cut off, a second one completes it."""
    with opened(server.url) as intake:
        intake.ingest.apply(columns_of(of_all(0)))
        server.fail_next(1, applied=True, method=method)
        try:
            forget_users(intake.store, ["ada"], NOW)
        except StoreUnavailable:
            server.clear_failures()
            forget_users(intake.store, ["ada"], NOW)
        server.clear_failures()
        assert intake.store.users.claim(["ada"]).holds == [HELD_FORGOTTEN]


@pytest.mark.server
@pytest.mark.parametrize("replicas", [1, 2])
def test_forgotten_amid_many_writers(replicas: int) -> None:
    """On one node and on several: four writers add events of twelve users all the while; half of the users are forgotten, and
    stay it; the others are exact."""
    users = [f"u{n}" for n in range(12)]
    gone = set(users[::2])
    rounds = 12
    parts = [
        columns_of(
            [event(user, f"i{n}", at=10.0 * n + w) for user in users],
            source=f"test/clicks/{w}",
            offsets=range(n * 12, n * 12 + 12),
        )
        for w in range(4)
        for n in range(rounds)
    ]
    with (
        quick_folder() as truth,
        QdrantServer(truth / "q", replicas=replicas) as server,
        opened(server.url) as forgetting,
        opened(str(truth / "s")) as whole,
    ):

        def write(number: int) -> None:
            with opened(server.url) as intake:
                for part in parts[number * rounds : (number + 1) * rounds]:
                    intake.ingest.apply(part)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for user in sorted(gone):
            forget_users(forgetting.store, [user], NOW)
        for thread in threads:
            thread.join()
        for part in parts:
            whole.ingest.apply(part)
        whole.store.users.delete(sorted(gone))
        assert forgetting.store.users.claim(sorted(gone)).holds == [HELD_FORGOTTEN] * 6
        assert assert_same_states(forgetting.store, whole.store, whole.workspace.interest) == 6


def switched(store: Store, hook: Callable[[int], None]) -> None:
    model = AnalyticTransfer(Settings().interest, OTHER.transfer)
    rebuild(store, Settings().interest, model, version_of(model, OTHER.transfer), progress=hook)


@pytest.mark.parametrize("step", range(4))
def test_forgotten_while_a_rebuild_copies(location: str, step: int) -> None:
    """At whatever moment: the user is forgotten in the version that becomes live, and in the one that was."""
    with opened(location) as intake:
        intake.ingest.apply(columns_of(of_all(0)))
        forget_users(intake.store, ["bob"], NOW)
        other = opened(location) if not intake.store.exclusive else intake
        calls: list[int] = []

        def hook(seen: int) -> None:
            calls.append(seen)
            if len(calls) == step + 1:
                forget_users(other.store, ["ada"], NOW)

        switched(intake.store, hook)
        if other is not intake:
            other.close()
    with opened(location, OTHER) as after:
        gone = ["bob", "ada"] if len(calls) > step else ["bob"]
        for user in gone:
            assert points_with(after.store, user) == [HELD_FORGOTTEN] * 2
        assert sorted(counts_of(after)) == sorted(set(USERS) - set(gone))


def test_consent_while_another_version_says_forgotten(location: str) -> None:
    """What a rebuild that was cut off has copied of a tombstone does not hide a user who has begun again."""
    with opened(location) as intake:
        intake.ingest.apply(columns_of(of_all(0)))
        model = AnalyticTransfer(Settings().interest, OTHER.transfer)
        forget_users(intake.store, ["ada"], NOW)
        draft = intake.store.versions.begin(version_of(model, OTHER.transfer))
        draft.users.tombstones.forget(["ada"], NOW)
        intake.store.users.tombstones.consent(["ada"], NOW + 1)  # killed before it came to the other version
        intake.ingest.cache.forget(USERS)
        intake.ingest.apply(columns_of([event("ada", "z", at=86_500.0)], offsets=[70]))
        switched(intake.store, lambda _: None)
    with opened(location, OTHER) as after:
        assert counts_of(after) == {"ada": 1, "bob": 4, "eve": 4}
        (record,) = after.store.users.read(["ada"], with_vectors=True)
        assert record is not None and np.linalg.norm(record.fused) == pytest.approx(1.0, abs=1e-5)


def test_the_parked_are_let_go(location: str) -> None:
    """Who was in quarantine is out of it, and no state has to be readable for that."""
    with opened(location) as intake:
        intake.ingest.apply(columns_of(of_all(0)))
        intake.quarantine.put("ada", "StateFormatError")
        forget_users(intake.store, ["ada"], NOW)
        assert intake.quarantine.all() == []
        assert user_point_id("ada") in next(intake.store.users.tombstones.pages(9))
