"""What users declare by a topic: through the lanes into their points, exact however often the worker dies."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.config import StoreConfig
from sinks.open import open_store
from sinks.protocols import Store
from streams.failpoints import DECLARING_STEPS
from streams.ingest.intake import Intake, open_intake
from streams.privacy.forget import consent_users, forget_users
from streams.settings import Settings
from streams.topics.slot import PROFILES_SLOT
from streams.worker.batch import LaneBatch
from support.checks.states import assert_same_states, states_of
from support.data.damaged import damage
from support.data.event_columns import NOW, event
from support.data.fetched import Fetched
from support.fakes.killed_lanes import Children, Run, all_fetches
from support.fakes.lane_story import Worker, batch, in_lanes
from support.fakes.tiny_model import save_tiny_model
from support.qdrant_process import QdrantProcess
from support.servers.quick_folder import quick_folder

INTEREST = Settings().interest
SIZES: dict[str, Any] = {"events": 60, "users": 8, "declarations": 36}


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A text model that is loaded in no time."""
    with quick_folder() as folder:
        yield str(save_tiny_model(folder / "model", width=128, positions=128))


@pytest.fixture(scope="module")
def settings(model: str) -> Settings:
    return Settings.model_validate({"encoder": {"model": model}})


@pytest.fixture
def intake(tmp_path: Path, settings: Settings) -> Any:
    with open_intake(str(tmp_path / "s"), settings, create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with Children() as running:
        yield running


@pytest.fixture(scope="module")
def truth(settings: Settings) -> Iterator[Store]:
    """What an undisturbed run gives."""
    with quick_folder() as folder, open_intake(str(folder / "truth"), settings, create=True) as opened:

        async def once(worker: Worker) -> None:
            await worker.through(*all_fetches(Run("", "", **SIZES)))

        in_lanes(opened, once)
        _, states, _ = states_of(opened.store, INTEREST)
        assert states.declared is not None and (states.n_events == 0).any()
        yield opened.store


def profiles(
    *records: dict[str, Any] | bytes | None, first: int = 0, key: bytes | None = b"ada"
) -> LaneBatch:
    values = [json.dumps(one).encode() if isinstance(one, dict) else one for one in records]
    fetched = [Fetched(value, first + n, key, topic="profiles") for n, value in enumerate(values)]
    return LaneBatch(PROFILES_SLOT, "profiles", 0, fetched)


def texts_of(store: Store, user: str) -> dict[str, str]:
    names, states, _ = states_of(store, INTEREST)
    if states.declared is None or user not in names:
        return {}
    return {row.scenario: row.text for row in states.declared.texts(names.index(user))}


def said(text: str, scenario: str = "", at: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"user_id": "ada", "interests": text, "scenario": scenario, "timestamp": NOW - 100 + at, **more}


def test_a_record_is_the_latest_word_and_a_bad_one_is_a_letter(intake: Intake) -> None:
    """Texts by scenario; without a time of its own a record's counts; a tombstone takes everything back; what is no
    declaration becomes a dead letter with its reason and costs no other."""

    async def story(worker: Worker) -> None:
        await worker.through(profiles(said("chess", "games"), said("jazz"), said("older", at=-5.0)))
        assert texts_of(intake.store, "ada") == {"games": "chess", "": "jazz"}
        wrong = [
            b"{nope",
            b"[1]",
            {"user_id": "ada"},
            {"user_id": " ", "interests": "x"},
            {"user_id": "ada", "interests": 5},
            {"user_id": "ada", "interests": "x", "timestamp": NOW * 2},
            {"user_id": "ada", "interests": "x", "timestamp": "soon"},
            {"user_id": "ada", "interests": "x", "scenario": "s" * 300},
            {"user_id": "ada", "interests": "x", "language": "e" * 36},
        ]
        await worker.through(profiles(said("go", "games", at=1.0), *wrong, first=3))
        reasons = [dict(letter["headers"])["reason"].decode() for letter in worker.producer.sent]
        assert reasons == [
            "not_json",
            "wrong_type",
            "missing_field",
            "empty_user_id",
            "wrong_type",
            "timestamp_in_future",
            "wrong_type",
            "scenario_too_long",
            "wrong_type",
        ]
        assert texts_of(intake.store, "ada") == {"games": "go", "": "jazz"}
        await worker.through(profiles({"user_id": "ada", "interests": "now"}, first=13))
        assert texts_of(intake.store, "ada")[""] == "now"
        one_scenario = json.dumps({"user_id": "ada", "scenario": "games"}).encode()
        await worker.through(profiles(None, first=14, key=one_scenario))
        assert texts_of(intake.store, "ada") == {"": "now"}
        await worker.through(profiles(None, first=15))
        assert texts_of(intake.store, "ada") == {}
        await worker.through(profiles(said("back again?", at=50.0), first=16))
        assert texts_of(intake.store, "ada") == {}

    in_lanes(intake, story)


def test_who_was_forgotten_says_nothing(intake: Intake) -> None:
    """Neither by what comes later nor by a topic that is read again; after a consent what is later than it counts."""

    async def story(worker: Worker) -> None:
        await worker.through(profiles(said("jazz")), batch(event("ada", at=86_000.0)))
        forget_users(intake.store, ["ada"], NOW - 50)
        intake.ingest.cache.forget(["ada"])  # a folder has one process: this is another one
        await worker.through(profiles(said("jazz", at=99.0), said("x", "games"), first=1))
        assert intake.store.users.read(["ada"]) == [None]
        consent_users(intake.store, ["ada"], NOW - 40)
        intake.ingest.cache.forget(["ada"])
        await worker.through(
            profiles(said("early", at=59.0), said("late", at=61.0, scenario="games"), first=3)
        )
        assert texts_of(intake.store, "ada") == {"games": "late"}
        assert intake.metrics.declarations.labels("forgotten")._value.get() == 3

    in_lanes(intake, story)


def test_a_user_whose_state_cannot_be_read_waits_in_quarantine(intake: Intake) -> None:
    """The record is parked as a letter, others go on."""

    async def story(worker: Worker) -> None:
        await worker.through(batch(event("ada"), event("bob")))
        damage(intake, "ada")
        bob = {**said("go"), "user_id": "bob"}
        await worker.through(profiles(said("jazz"), bob))
        (letter,) = worker.producer.sent
        assert dict(letter["headers"])["reason"] == b"user_quarantined"
        assert b"jazz" in letter["value"]
        await worker.through(profiles(said("more", at=5.0), first=2))
        assert len(worker.producer.sent) == 2

    in_lanes(intake, story)
    (record,) = intake.store.users.read(["bob"])
    assert record is not None and b"go" in record.state


@pytest.mark.parametrize("step", [*DECLARING_STEPS, "progress raised"])
def test_a_worker_killed_at_any_step_loses_nothing_that_was_declared(
    children: Children, truth: Store, model: str, step: str
) -> None:
    """Killed twice at each step of a folder's lanes; then run to the end: states, texts and vectors are the same."""
    with quick_folder() as folder:
        location, marked = str(folder / "s"), folder / "marked"
        for nth in (1, 2):
            run = Run(location, str(marked), step, nth, model=model, **SIZES)
            assert children.run(run) == -signal.SIGKILL
        assert children.run(Run(location, str(marked), model=model, **SIZES)) == 0
        with open_store(location, StoreConfig(), INTEREST.dim, create=False) as store:
            assert_same_states(store, truth, INTEREST)


@pytest.mark.server
def test_a_worker_killed_beside_a_server_loses_nothing_that_was_declared(
    children: Children, truth: Store, model: str, settings: Settings
) -> None:
    """Killed at random moments, so before, within or after any request; the next run makes it good."""
    rng = random.Random(3)
    with quick_folder() as folder, QdrantProcess(folder / "q") as server:
        marked = folder / "marked"
        open_intake(server.url, settings, create=True).close()
        killed = 0
        for nth in (1, 2, 3):
            step = rng.choice(DECLARING_STEPS)
            run = Run(server.url, str(marked), step, nth, model=model, **SIZES)
            killed += children.run(run) == -signal.SIGKILL
        assert killed >= 2 and marked.exists()
        assert children.run(Run(server.url, str(marked), model=model, **SIZES)) == 0
        with open_store(server.url, StoreConfig(), INTEREST.dim, create=False) as store:
            assert_same_states(store, truth, INTEREST)
