"""All vectors through another model: complete, beside writers, and after a run that was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sinks.errors import StoreError, StoreMismatch, StoreMoved
from sinks.open import open_store
from sinks.points import item_key
from sinks.protocols import Store
from streams.events.event import ItemRow
from streams.ingest.intake import Intake, open_intake
from streams.serving.recommend import recommend
from streams.settings import Settings
from streams.workspace.rebuild import RebuildSummary, rebuild
from streams.workspace.transfer_model import version_of
from streams.workspace.workspace import Workspace, open_for_reading
from support.checks.states import states_of
from support.data.event_columns import columns_of, event
from support.fakes.lane_story import Worker, batch, in_lanes
from support.fakes.rotated_transfer import RotatedTransfer
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder
from transfer.analytic.model import AnalyticTransfer
from transfer.config import TransferConfig
from transfer.protocols import TransferModel

SETTINGS = Settings()
OTHER = Settings(transfer=TransferConfig(emergence_gain=0.0, short_term_share=0.9))
USERS = [f"u{n}" for n in range(12)]
ROWS = [ItemRow(f"i{n}", f"thing number {n}", "", "garden" if n % 2 else "toys") for n in range(20)]


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


def events(start: int, count: int = 40) -> Any:
    return columns_of(
        [
            event(USERS[n % len(USERS)], f"i{(7 * n) % 25}", at=60.0 * n, scenario=("toys", "garden")[n % 2])
            for n in range(start, start + count)
        ]
    )


def fill(location: str, settings: Settings = SETTINGS) -> None:
    with open_intake(location, settings, create=True) as intake:
        intake.catalogue.upsert(ROWS)
        intake.ingest.apply(events(0))


def run(store: Store, settings: Settings, model: TransferModel | None = None, **more: Any) -> RebuildSummary:
    model = model or AnalyticTransfer(settings.interest, settings.transfer)
    return rebuild(store, settings.interest, model, version_of(model, settings.transfer), **more)


def rebuild_at(
    location: str, settings: Settings, model: TransferModel | None = None, **more: Any
) -> RebuildSummary:
    with open_store(location, settings.store, settings.interest.dim, create=False) as store:
        return run(store, settings, model, **more)


def assert_of_model(location: str, settings: Settings, users: int = len(USERS)) -> None:
    """Every user's vector is what the settings' model makes of the state."""
    with open_for_reading(location, settings) as workspace:
        names, states, fused = states_of(workspace.store, workspace.interest)
        assert len(names) == users
        np.testing.assert_allclose(fused, workspace.model(states).fused, atol=1e-5)


def test_all_users_and_items_are_made_anew(location: str) -> None:
    """Vectors are the new model's, states and items are the same, and only the new settings open the store."""
    fill(location)
    with open_for_reading(location, SETTINGS) as before:
        names, states, old = states_of(before.store, before.interest)
    done = rebuild_at(location, OTHER)
    assert (done.users, done.items, done.changed) == (len(USERS), 25, len(USERS) + 25)
    with open_intake(location, OTHER, create=False) as after:
        again, states_after, new = states_of(after.store, after.workspace.interest)
        assert again == names and states_after.n_events.tolist() == states.n_events.tolist()
        assert np.abs(new - old).max() > 0.001
        np.testing.assert_allclose(new, after.workspace.model(states).fused, atol=1e-5)
        (item,) = after.store.items.read([item_key("i3")])
        assert item is not None and item.title == "thing number 3"
        after.ingest.apply(events(40))
    assert_of_model(location, OTHER)
    with pytest.raises(StoreMismatch, match="driftline rebuild"):
        open_intake(location, SETTINGS, create=True)


def test_a_second_run_has_nothing_to_do(location: str) -> None:
    """The store is of the model already; the old version stays until it is dropped, and then is gone."""
    fill(location)
    first = rebuild_at(location, OTHER)
    assert first.rounds and not first.dropped
    second = rebuild_at(location, OTHER, drop_old=True)
    assert (second.rounds, second.changed, list(second.dropped)) == (0, 0, [""])
    assert_of_model(location, OTHER)
    with open_store(location, SETTINGS.store, SETTINGS.interest.dim, create=False) as store:
        assert list(store.versions.read().all) == [first.version]


def test_there_and_back_again(location: str) -> None:
    """Back to an earlier model what happened meanwhile is there too, and what was deleted is not."""
    fill(location)
    rebuild_at(location, OTHER)
    rebuild_at(location, SETTINGS)
    rebuild_at(location, OTHER)
    with open_intake(location, OTHER, create=True) as intake:
        intake.ingest.apply(events(40, 30))
        intake.catalogue.delete(["i3", "i4"])
        intake.store.users.delete(["u5"])
        intake.catalogue.upsert([ItemRow("i6", "renamed", "", "toys")])
    done = rebuild_at(location, SETTINGS)
    assert done.changed > 0
    assert_of_model(location, SETTINGS, len(USERS) - 1)
    with open_for_reading(location, SETTINGS) as workspace:
        keys = [item_key(f"i{n}") for n in (3, 4, 5, 6)]
        titles = [item and item.title for item in workspace.store.items.read(keys)]
        assert titles == [None, None, "thing number 5", "renamed"]
        assert workspace.store.users.read(["u5"]) == [None]


def test_a_run_that_failed_is_gone_on_with(location: str) -> None:
    """After an error in the middle the old version is live as it was; the next run writes only what is missing."""
    fill(location)
    model = AnalyticTransfer(OTHER.interest, OTHER.transfer)

    class Failing(AnalyticTransfer):
        fingerprint = model.fingerprint

        def __call__(self, states: Any) -> Any:
            raise ArithmeticError("stopped")

    with pytest.raises(ArithmeticError):
        rebuild_at(location, OTHER, Failing(OTHER.interest, OTHER.transfer))
    assert_of_model(location, SETTINGS)
    done = rebuild_at(location, OTHER)
    assert (done.changed, done.items) == (len(USERS), 25), "items were copied by the first run"
    assert_of_model(location, OTHER)


def test_a_tower_ranks_as_its_queries_do(location: str) -> None:
    """With a model that searches items by vectors of its own, events still sum base vectors and searches find the same."""
    fill(location)
    with open_for_reading(location, SETTINGS) as before:
        wanted = {user: [item.item_id for item in recommend(before, user, mode="new")] for user in USERS}
        base = before.store.items.read([item_key("i3"), item_key("i22")], with_vectors=True)
    model = RotatedTransfer(SETTINGS.interest)
    rebuild_at(location, SETTINGS, model)
    with open_store(location, SETTINGS.store, SETTINGS.interest.dim, create=True) as store:
        assert store.versions.opened.tower
        workspace = Workspace(store, SETTINGS, SETTINGS.interest, model)
        for user in USERS:
            assert [item.item_id for item in recommend(workspace, user, mode="new")] == wanted[user]
        for old, new in zip(
            base, store.items.read([item_key("i3"), item_key("i22")], with_vectors=True), strict=True
        ):
            assert old is not None and new is not None
            assert old.vector is not None and new.vector is not None and new.searched is not None
            np.testing.assert_allclose(new.vector, old.vector, atol=1e-6)
            assert np.abs(new.searched - new.vector).max() > 0.1
        intake = Intake(workspace)
        intake.ingest.apply(events(40))
        intake.catalogue.upsert([ItemRow("fresh", "a fresh thing", "", "toys")])
        states = states_of(store, SETTINGS.interest)[1]
        found = states_of(store, SETTINGS.interest)[2]
        np.testing.assert_allclose(found, model(states).fused, atol=1e-5)
    with pytest.raises(StoreMismatch, match="rebuild"):
        open_for_reading(location, OTHER)


def test_settings_say_which_model(location: str) -> None:
    """Readers continue with the weights that the store was made with; writers with others are told of rebuild."""
    fill(location, OTHER)
    with open_for_reading(location, SETTINGS) as workspace:
        assert workspace.settings.transfer.short_term_share == 0.9
    with pytest.raises(StoreMismatch, match="set \\[transfer\\] as it was"):
        open_intake(location, SETTINGS, create=True)


@pytest.mark.server
def test_nothing_is_lost_that_lanes_write_meanwhile(server: QdrantServer) -> None:
    """Events that were marked as done before or during a run are in the new version; the others are read again."""
    fill(server.url)
    truth = [batch(event(user, f"i{n}", at=9000.0 + n), first=1000 + len(USERS) * n + k)
             for n in range(30) for k, user in enumerate(USERS)]  # fmt: skip
    marked: list[Any] = []

    async def story(worker: Worker) -> None:
        store = open_store(server.url, SETTINGS.store, SETTINGS.interest.dim, create=False)
        refusing = asyncio.create_task(asyncio.to_thread(run, store, OTHER))
        for each in truth:
            if worker.lanes.failure:
                break
            await worker.lanes.submit(each)
            await asyncio.sleep(0.002)
        await refusing
        await worker.lanes.submit(batch(event("u0", "i1", at=9500.0), first=10_000))
        await worker.until(lambda: worker.lanes.failure)
        marked.extend(worker.group.marked)
        store.close()

    with open_intake(server.url, SETTINGS, create=True) as intake:
        in_lanes(intake, story)
    assert isinstance(marked, list)
    unmarked = [each for each in truth if each not in marked]

    async def rest(worker: Worker) -> None:
        await worker.through(*unmarked)

    with open_intake(server.url, OTHER, create=True) as intake:
        in_lanes(intake, rest)
        names, states, _ = states_of(intake.store, intake.workspace.interest)
        before = dict.fromkeys(USERS, 0)
        for n in range(40):
            before[USERS[n % len(USERS)]] += 1
        assert dict(zip(names, states.n_events.tolist(), strict=True)) == {
            user: 30 + count for user, count in before.items()
        }
    assert_of_model(server.url, OTHER)


@pytest.mark.server
def test_items_that_come_meanwhile_are_not_lost(server: QdrantServer) -> None:
    """A catalogue change that was acknowledged is in the version that is live afterwards; one after the switch is refused."""
    fill(server.url)
    with open_intake(server.url, SETTINGS, create=True) as writer:
        late = ItemRow("late", "a late thing", "", "toys")

        class Writing(AnalyticTransfer):
            def __call__(self, states: Any) -> Any:
                writer.catalogue.upsert([late])
                writer.catalogue.delete(["i1"])
                return super().__call__(states)

        rebuild_at(server.url, OTHER, Writing(OTHER.interest, OTHER.transfer))
        with pytest.raises(StoreMoved):
            writer.catalogue.upsert([ItemRow("late", "another", "", "toys")])
    with open_for_reading(server.url, OTHER) as reader:
        late_one, gone = reader.store.items.read([item_key("late"), item_key("i1")])
        assert late_one is not None and late_one.title == "a late thing" and gone is None


@pytest.mark.server
def test_who_searches_by_alias_sees_the_switch(server: QdrantServer) -> None:
    """The aliases lead to the live version's collections at every moment, also on a store that had none."""
    from qdrant_client import grpc as messages

    from sinks.config import StoreConfig
    from sinks.server.channel import ServerChannel, Work

    fill(server.url)
    channel = ServerChannel(server.url, StoreConfig())

    def users(alias: str) -> list[str]:
        request = messages.ListAliasesRequest()
        listed = channel.call(messages.CollectionsStub(channel.grpc).ListAliases, request, Work("", ""))
        return [found.collection_name for found in listed.aliases if found.alias_name == alias]

    assert (users("users-live"), users("items-live")) == (["users"], ["items"])
    done = rebuild_at(server.url, OTHER)
    assert users("users-live") == [f"users@{done.version}"]
    # What a switch that was cut off leaves behind is fixed by the next run.
    actions = [
        messages.AliasOperations(
            create_alias=messages.CreateAlias(alias_name="users-live", collection_name="users")
        )
    ]
    channel.call(
        messages.CollectionsStub(channel.grpc).UpdateAliases,
        messages.ChangeAliases(actions=actions),
        Work("", ""),
    )
    rebuild_at(server.url, OTHER)
    assert users("users-live") == [f"users@{done.version}"]
    channel.close()


def test_the_live_version_is_not_dropped(location: str) -> None:
    """Dropping is for the others."""
    fill(location)
    with (
        open_store(location, SETTINGS.store, SETTINGS.interest.dim, create=False) as store,
        pytest.raises(StoreError, match="live"),
    ):
        store.versions.drop(store.versions.opened.name)
