"""What users declare, into the points that hold their states: exact beside events, other workers and a rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.errors import PointUnreadable
from streams.events.declaration import UserDeclaration, decode_declarations
from streams.ingest.declaring import DeclaredOutcome
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from streams.workspace.rebuild import rebuild
from streams.workspace.transfer_model import version_of
from support.checks.states import assert_same_states, states_of
from support.data.event_columns import NOW, columns_of, event
from support.fakes.tiny_model import save_tiny_model
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder
from transfer.analytic.model import AnalyticTransfer
from transfer.config import TransferConfig
from transfer.state.declared import Declaration

USERS = ("ada", "bob", "eve")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A text model that is loaded in no time."""
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), width=128, positions=128))


@pytest.fixture(scope="module")
def config(model: str) -> Settings:
    return Settings.model_validate({"encoder": {"model": model}, "daemon": {"user_cache": 2}})


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def location(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "s")
    else:
        with QdrantServer(tmp_path / "q") as server:
            yield server.url


def said(user: str, text: str, at: float = 0.0, scenario: str = "") -> UserDeclaration:
    return UserDeclaration(user, Declaration(NOW - 100 + at, scenario, text))


def test_a_user_may_declare_before_any_event(location: str, config: Settings) -> None:
    """The point's vector is that of the text, and events come to it; the latest word holds, and a repeat writes nothing."""
    with open_intake(location, config, create=True) as intake:
        done = intake.declaring.apply([said("ada", "red grapes"), said("bob", "oil", scenario="garage")])
        assert done == DeclaredOutcome(applied=2)
        names, states, fused = states_of(intake.store, intake.workspace.interest)
        assert names == ["ada", "bob"] and states.n_events.tolist() == [0, 0]
        np.testing.assert_allclose(fused, intake.workspace.space.texts(["red grapes", "oil"]), atol=1e-6)
        written = intake.metrics.users_written._value.get()
        again = [said("ada", "red grapes"), said("bob", "older", at=-5.0, scenario="garage")]
        assert intake.declaring.apply(again * 2) == DeclaredOutcome(known=4)
        assert intake.metrics.users_written._value.get() == written
        intake.ingest.apply(columns_of([event("ada", "i1")]))
        intake.declaring.apply([said("ada", "bread", at=5.0)])
        names, states, _ = states_of(intake.store, intake.workspace.interest)
        assert states.n_events.tolist() == [1, 0]
        assert [row.text for row in states.declared.texts(0)] == ["bread"]
        # What is held in memory is what the store has.
        intake.ingest.apply(columns_of([event("ada", "i2", at=9.0)], offsets=[1]))
        _, states, _ = states_of(intake.store, intake.workspace.interest)
        assert states.n_events.tolist() == [2, 0] and len(states.declared.texts(0)) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(0, 11)),
        st.tuples(st.just("said"), st.integers(0, 11)),
    ),
    min_size=1,
    max_size=14,
)
TEXTS = ["red", "milk", "", "green oil"]


def declaration(number: int) -> UserDeclaration:
    """Different ones, of few users, scenarios and times."""
    one = Declaration(NOW - 50 + number % 4, ("", "a")[number % 2], TEXTS[number % 4])
    if not one.text and not one.scenario:
        one = one._replace(withdrawn=True)
    return UserDeclaration(USERS[number % 3], one)


@pytest.fixture(scope="module")
def two(config: Settings) -> Iterator[tuple[Intake, Intake]]:
    with (
        quick_folder() as folder,
        open_intake(str(folder / "a"), config, create=True) as one,
        open_intake(str(folder / "b"), config, create=True) as other,
    ):
        yield one, other


@settings(deadline=None, max_examples=25)
@given(steps, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_don_t_matter_beside_events_too(
    two: tuple[Intake, Intake], steps: list[tuple[str, int]], random, size: int
) -> None:
    """Events and declarations in two orders, one of them in batches and partly twice: the same states and vectors."""
    offset = iter(range(10**9))
    for intake, order in zip(two, (steps, random.sample(steps, len(steps)) + steps[:2]), strict=True):
        intake.store.users.delete(USERS)
        intake.ingest.cache.forget(USERS)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            intake.declaring.apply([declaration(n) for kind, n in some if kind == "said"])
            events = [
                event(USERS[n % 3], f"i{n}", at=float(n), event_id=f"e{n}")
                for kind, n in some
                if kind == "event"
            ]
            if events:
                source = f"s{next(offset)}"
                intake.ingest.apply(columns_of(events, source=source))
    assert_same_states(two[0].store, two[1].store, two[0].workspace.interest)


def test_two_writers_take_users_from_each_other_and_lose_nothing(config: Settings, tmp_path: Path) -> None:
    """On a server each holds users in memory that the other has written since: refused, claimed, read and joined again."""
    with (
        QdrantServer(tmp_path / "q") as server,
        open_intake(server.url, config, create=True) as one,
        open_intake(server.url, config, create=True) as other,
        open_intake(str(tmp_path / "truth"), config, create=True) as truth,
    ):
        for number in range(6):
            writer = (one, other)[number % 2]
            columns = columns_of(
                [event(user, f"i{number}", at=float(number)) for user in USERS],
                offsets=range(3 * number, 3 * number + 3),
            )
            declared = [
                said(user, f"red {number}", at=number % 4, scenario=f"s{number % 2}") for user in USERS
            ]
            for intake in (writer, truth):
                intake.ingest.apply(columns)
                intake.declaring.apply(declared)
        assert one.metrics.refused_writes._value.get() > 0
        assert_same_states(one.store, truth.store, truth.workspace.interest)


def test_a_rebuild_keeps_what_was_declared(location: str, config: Settings) -> None:
    """Another model, the same texts; what they are worth is a setting of the model."""
    with open_intake(location, config, create=True) as intake:
        intake.ingest.apply(columns_of([event("ada", "i1"), event("ada", "i2", at=5.0)]))
        intake.declaring.apply([said("ada", "red grapes"), said("eve", "milk")])
        _, before, fused = states_of(intake.store, intake.workspace.interest)
        weights = TransferConfig(declared=0.0)
        plain = AnalyticTransfer(intake.workspace.interest, weights)
        rebuild(intake.store, intake.workspace.interest, plain, version_of(plain, weights))
    changed = config.model_copy(update={"transfer": weights})
    with open_intake(location, changed, create=False) as intake:
        _, after, without = states_of(intake.store, intake.workspace.interest)
        assert [row.text for row in after.declared.texts(0)] == ["red grapes"]
        assert before.declared.text == after.declared.text
        text = intake.workspace.space.texts(["red grapes"])[0]
        assert fused[0] @ text > without[0] @ text + 0.1


def test_a_point_that_cannot_be_read_is_said(config: Settings, tmp_path: Path) -> None:
    """And nothing is written, of nobody."""
    from support.data.damaged import damage

    with open_intake(str(tmp_path / "s"), config, create=True) as intake:
        intake.ingest.apply(columns_of([event("ada", "i1")]))
        damage(intake, "ada")
        with pytest.raises(Exception) as refused:
            intake.declaring.apply([said("ada", "red"), said("bob", "milk")])
        assert not isinstance(refused.value, PointUnreadable) and "interest state" in str(refused.value)
        assert intake.store.users.read(["bob"]) == [None]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"ada", ("ada", "", True)),
        (b'"ada"', ("ada", "", True)),
        (b'{"user_id": "ada"}', ("ada", "", True)),
        (b'{"user_id": "ada", "scenario": "games"}', ("ada", "games", False)),
        (b"{odd", ("{odd", "", True)),
    ],
)
def test_a_tombstone_says_whose_it_is_by_its_key(key: bytes, expected: tuple[str, str, bool]) -> None:
    """The user id, or JSON; with a scenario it takes back that one alone."""
    (one,) = decode_declarations([None], keys=[key], written=[5.0], now=9.0).declarations
    assert (one.user_id, one.said.scenario, one.said.withdrawn) == expected and one.said.time == 5.0
    (reject,) = decode_declarations([None], keys=[None], written=[5.0], now=9.0).rejects
    assert reject.reason == "empty_user_id"
