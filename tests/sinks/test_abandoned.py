"""A folder that was made for a store that came to nothing is gone; whatever else is there stays."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from sinks.config import StoreConfig
from sinks.edge.engine import EdgeEngine
from sinks.edge.folder import StoreFolder
from sinks.errors import StoreError, StoreLocked, StoreMismatch
from sinks.open import open_store
from support.data.store_points import put_users, some_users


def test_a_store_of_nothing_is_removed_with_the_folders_made_for_it(folder: Path) -> None:
    """A failure before the first user or item leaves the disk as it was."""
    with pytest.raises(ValueError), open_store(str(folder / "a" / "b"), StoreConfig(), 8, create=True):
        raise ValueError
    assert list(folder.iterdir()) == []
    (folder / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), open_store(str(folder / "mine"), StoreConfig(), 8, create=True):
        raise KeyboardInterrupt
    assert [path.name for path in folder.rglob("*")] == ["mine"]


def test_a_store_that_holds_something_or_was_there_before_stays(folder: Path) -> None:
    """What was written is never taken back, and what was there is not this failure's."""
    place = str(folder / "s")
    with pytest.raises(ValueError), open_store(place, StoreConfig(), 8, create=True) as store:
        put_users(store.users, some_users(["a"], dim=8))
        raise ValueError
    with open_store(place, StoreConfig(), 8, create=False) as store:
        assert store.users.count() == 1
        store.users.delete(["a"])
    with pytest.raises(ValueError), open_store(place, StoreConfig(), 8, create=True):
        raise ValueError
    open_store(place, StoreConfig(), 8, create=False).close()


def test_a_creation_that_fails_half_way_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full when the second collection is made."""
    made = EdgeEngine.create

    def full(self: EdgeEngine, spec: object) -> object:
        if getattr(spec, "name") == "items":  # noqa: B009
            raise StoreError(os.strerror(errno.ENOSPC))
        return made(self, spec)  # type: ignore[arg-type]

    monkeypatch.setattr(EdgeEngine, "create", full)
    with pytest.raises(StoreError, match="No space"):
        open_store(str(folder / "s"), StoreConfig(), 8, create=True)
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_made(folder: Path) -> None:
    """`store.min_free_bytes` counts from the first."""
    with pytest.raises(StoreError, match="free"):
        open_store(str(folder / "s"), StoreConfig(min_free_bytes=1 << 60), 8, create=True)
    assert list(folder.iterdir()) == []


def _come_and_go(path: str, rounds: int, failures: list[str]) -> None:
    for _ in range(rounds):
        try:
            folder = StoreFolder.claim(Path(path), True, "")
        except (StoreLocked, StoreMismatch):
            continue
        except StoreError as error:
            failures.append(str(error))
            continue
        inside = Path(path) / "held"
        try:
            inside.mkdir()
            inside.rmdir()
        except OSError as error:
            failures.append(f"two at a time: {error}")
        folder.remove([])


def test_whoever_waits_for_a_folder_that_is_removed_gets_no_false_lock(folder: Path) -> None:
    """Two processes that make and remove one store never hold it together."""
    with multiprocessing.Manager() as manager:
        failures = manager.list()
        crew = [
            multiprocessing.Process(target=_come_and_go, args=(str(folder / "s"), 300, failures))
            for _ in range(3)
        ]
        for one in crew:
            one.start()
        for one in crew:
            one.join()
        assert list(failures) == []
