"""A store without a user and an item takes other settings; one that holds anything is left alone, whoever races for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.config import StoreConfig
from sinks.errors import StoreMismatch, StoreMoved, StoreUnavailable
from sinks.open import open_store, renew_store
from sinks.protocols import Store
from sinks.renewal import generation_of
from sinks.versions import Version
from support.data.store_points import put_users, some_items, some_users
from support.qdrant_server import QdrantServer

OLD, NEW = 8, 12


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Where a store may be, of each engine."""
    if request.param == "folder":
        yield str(folder / "store")
    else:
        with QdrantServer(folder / "qdrant") as server:
            yield server.url


def renew(place: str, dim: int = NEW, **settings: object) -> bool:
    config = StoreConfig(**settings)  # type: ignore[arg-type]
    first = Version(model="m", generation=generation_of([str(dim), *map(str, settings.values())]))
    return renew_store(place, config, dim, first)


def opened(place: str, dim: int = OLD, **settings: object) -> Store:
    return open_store(place, StoreConfig(**settings), dim, create=True)  # type: ignore[arg-type]


def test_an_empty_store_begins_again_with_other_dimensions(place: str) -> None:
    """Vectors of the new length are written and read; the old settings are refused from then on."""
    opened(place).close()
    with pytest.raises(StoreMismatch, match="8 dimensions"):
        opened(place, NEW)
    assert renew(place)
    with opened(place, NEW) as store:
        put_users(store.users, some_users(["a", "b"], dim=NEW))
        store.items.write(some_items(5, dim=NEW))
    with opened(place, NEW) as store:
        assert store.users.count() == 2 and store.items.count() == 5
        found = store.users.read(["a"], with_vectors=True)[0]
        assert found is not None and found.fused is not None and found.fused.shape == (NEW,)
    with pytest.raises(StoreMismatch, match="12 dimensions"):
        opened(place)
    assert not renew(place, OLD)


def test_what_the_store_kept_for_its_old_settings_is_gone(place: str) -> None:
    """Blobs and sources are of the generation that wrote them: none is taken for the new one's."""
    with opened(place) as store:
        store.blobs.put("whitening", b"old")
        store.blobs.put("counts/one", b"old")
        store.sources.advance({store.sources.numbers(["log/1"], {"log/1": "alias"})["log/1"]: 10})
        identity = store.id
    assert renew(place)
    with opened(place, NEW) as store:
        assert store.blobs.get("whitening") is None and store.blobs.folder("counts") == {}
        assert store.sources.known() == {} and store.id == identity
        store.blobs.put("counts/two", b"new")
        number = store.sources.numbers(["log/1"])["log/1"]
        assert store.sources.progress([number]) == {number: 0}
        store.sources.describe("log/1", {"rows": 3})
    with opened(place, NEW) as store:
        assert store.blobs.folder("counts") == {"counts/two": b"new"}
        assert store.sources.known()["log/1"].about == {"rows": 3}


def test_interests_may_be_switched_on(place: str) -> None:
    """What vectors a user has is part of the settings, too."""
    opened(place, interests=False).close()
    with pytest.raises(StoreMismatch, match="interests"):
        opened(place)
    assert renew(place, OLD, interests=True)
    opened(place).close()


@pytest.mark.parametrize("holds", ["user", "item"])
def test_a_store_that_holds_anything_stays_as_it_is(place: str, holds: str) -> None:
    """One user or one item is enough."""
    with opened(place) as store:
        if holds == "user":
            put_users(store.users, some_users(["a"], dim=OLD))
        else:
            store.items.write(some_items(1, dim=OLD))
    assert not renew(place)
    with opened(place) as store:
        assert store.users.count() + store.items.count() == 1
    with pytest.raises(StoreMismatch):
        opened(place, NEW)


def test_the_same_settings_do_not_begin_again(place: str) -> None:
    """The second of two processes that want the same finds it done."""
    opened(place).close()
    assert renew(place)
    with opened(place, NEW) as store:
        name = store.versions.opened.name
    assert renew(place)
    with opened(place, NEW) as store:
        assert store.versions.opened.name == name and list(store.versions.read().all) == [name]


def test_where_no_store_is_nothing_is_made(folder: Path) -> None:
    """Neither is a folder of something else touched."""
    assert not renew(str(folder / "none"))
    assert not (folder / "none").exists()
    (folder / "mine").mkdir()
    (folder / "mine" / "file").write_text("mine")
    with pytest.raises(StoreMismatch):
        renew(str(folder / "mine"))
    assert [path.name for path in (folder / "mine").iterdir()] == ["file"]


def test_a_version_of_a_model_belongs_to_its_generation(place: str) -> None:
    """`rebuild` makes versions of the new length in a store that began again, and so is read afterwards."""
    opened(place).close()
    assert renew(place)
    with opened(place, NEW) as store:
        draft = store.versions.begin(Version("m2", model="m2"))
        put_users(draft.users, some_users(["a"], dim=NEW))
        with store.versions.switching() as switch:
            switch.activate("m2")
    with opened(place, NEW) as store:
        assert store.versions.opened.name == "m2" and store.users.count() == 1
    assert not renew(place, OLD)


@pytest.mark.server
def test_a_process_with_the_old_settings_is_told_and_changes_nothing(folder: Path) -> None:
    """What it wrote was not acknowledged, and is not part of the store."""
    with QdrantServer(folder / "qdrant") as server, opened(server.url) as store:
        assert renew(server.url)
        with pytest.raises(StoreMoved):
            put_users(store.users, some_users(["a"], dim=OLD))
        with pytest.raises(StoreMoved):
            store.items.write(some_items(1, dim=OLD))
        with opened(server.url, NEW) as now:
            assert now.users.count() == 0 and now.items.count() == 0


@pytest.mark.server
def test_a_creation_that_was_cut_off_takes_other_settings(folder: Path) -> None:
    """A server has collections of another length and no identity: nobody can use them as they are."""
    with QdrantServer(folder / "qdrant") as server:
        from sinks.layout import store_layout
        from sinks.server.engine import ServerEngine

        engine = ServerEngine(server.url, StoreConfig())
        layout = store_layout(StoreConfig(), OLD)
        engine.create(layout.meta)
        engine.create(layout.users)
        engine.close()
        with pytest.raises(StoreMismatch):
            opened(server.url, NEW)
        assert renew(server.url)
        opened(server.url, NEW).close()


@pytest.mark.server
def test_of_processes_that_race_with_other_settings_one_kind_wins(folder: Path) -> None:
    """Whatever was acknowledged is there, all of one length; whoever came too late is refused."""
    with QdrantServer(folder / "qdrant") as server:
        opened(server.url).close()
        acknowledged: dict[str, int] = {}
        refused: list[str] = []
        start = threading.Barrier(6)

        def act(name: str, dim: int) -> None:
            start.wait()
            for _ in range(40):
                try:
                    with opened(server.url, dim) as store:
                        put_users(store.users, some_users([name], dim=dim))
                        acknowledged[name] = dim
                        return
                except (StoreMoved, StoreUnavailable):
                    continue
                except StoreMismatch:
                    if not renew(server.url, dim):
                        refused.append(name)
                        return

        actors = [threading.Thread(target=act, args=(f"u{n}", (NEW, OLD + 1)[n % 2])) for n in range(6)]
        for actor in actors:
            actor.start()
        for actor in actors:
            actor.join()
        assert len(set(acknowledged.values())) == 1 and len(acknowledged) + len(refused) == 6
        (dim,) = set(acknowledged.values())
        with opened(server.url, dim) as store:
            assert {user.user_id for page in store.users.scan(10) for user in page} == set(acknowledged)


def test_a_record_without_generations_is_what_it_was(place: str) -> None:
    """A release of before there were generations reads a store that never began again."""
    from sinks.versions import _point

    with opened(place) as store:
        entries = _point(store.versions.read()).payloads[0]["versions"]
    assert not {"dim", "generation"} & set(entries[0])
