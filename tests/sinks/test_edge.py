"""What only the embedded store does: its folder, its lock, and what a killed process leaves behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sinks.edge.engine import EdgeEngine
from sinks.errors import StoreError, StoreLocked, StoreMismatch, StoreNotFound
from sinks.points import item_key
from sinks.protocols import Store
from sinks.store import EngineStore
from support.data.store_points import (
    DIM,
    StoreSite,
    assert_users_equal,
    put_users,
    some_items,
    some_part,
    some_users,
)

PROLOGUE = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]!r}
from support.data.store_points import StoreSite, put_users, some_items, some_users
store = StoreSite(sys.argv[-1]).open()
print("open", flush=True)
"""
WAITING = PROLOGUE + "time.sleep(60)"
WRITING = (
    PROLOGUE
    + """
number = 0
while True:
    points = some_users([f"user-{number}-{n}" for n in range(20)], seed=number)
    put_users(store.users, points)
    store.items.write(some_items(number + 1))
    store.blobs.put("number", str(number).encode())
    print(number, flush=True)
    number += 1
"""
)


@contextmanager
def process(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python process that has printed its first line."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "open\n"
            yield running
        finally:
            running.kill()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_second_process_is_refused(folder: Path) -> None:
    """A folder in use is refused with the pid and command of its holder and what to do; a killed holder
    blocks nobody."""
    site = StoreSite(str(folder / "store"))
    with process(WAITING, "--secret=hush", site.location) as other:
        for create in (True, False):
            with pytest.raises(
                StoreLocked, match=f"process {other.pid} .*stop that.*Qdrant server"
            ) as refusal:
                site.open(create=create)
            assert refusal.value.pid == other.pid
        other.send_signal(signal.SIGKILL)
        other.wait()
        site.open().close()


def test_same_process_is_refused_too(folder: Path) -> None:
    """Opening a folder twice in one process is refused; after closing it is free."""
    site = StoreSite(str(folder / "store"))
    with site.open(), pytest.raises(StoreLocked, match="this very process"):
        site.open()
    site.open().close()


def test_holder_is_named_without_its_arguments(folder: Path) -> None:
    """The lock file names program and subcommand only: further arguments may be secrets."""
    site = StoreSite(str(folder / "store"))
    with process(WAITING, "--token=hush", site.location):
        assert "hush" not in (folder / "store" / ".driftline.lock").read_text()


def test_killed_writer_loses_nothing_acknowledged(folder: Path) -> None:
    """Everything whose write returned is there after SIGKILL, without any flush."""
    site = StoreSite(str(folder / "store"))
    with process(WRITING, site.location) as writer:
        assert writer.stdout is not None
        acknowledged = -1
        while acknowledged < 30:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
    with site.open(create=False) as store:
        for number in range(acknowledged + 1):
            points = some_users([f"user-{number}-{n}" for n in range(20)], seed=number)
            assert_users_equal(store.users.read(points.user_ids, True), points, vectors=True)
        keys = [item_key(item_id) for item_id in some_items(acknowledged + 1).item_ids]
        assert None not in store.items.read(keys)
        blob = store.blobs.get("number")
        assert blob is not None and int(blob) >= acknowledged


def test_killed_creation_is_completed(folder: Path) -> None:
    """A creation that was cut off is no store for a reader, and is done again by the next writer."""
    site = StoreSite(str(folder / "store"))
    half = (
        "import os; from pathlib import Path; from sinks.config import StoreConfig; from sinks.edge.engine import EdgeEngine; "
        "from sinks.layout import store_layout; path = Path(os.environ['STORE']); engine = EdgeEngine(path, create=True); "
        f"engine.create(store_layout(StoreConfig(), {DIM}).users); (path / 'items').mkdir(); "
        "(path / 'items' / 'half').write_bytes(b'written'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", half], env={**os.environ, "STORE": site.location}, check=False
    )
    assert killed.returncode == -9
    with pytest.raises(StoreNotFound, match="never completed"):
        site.open(create=False)
    with site.open() as store:
        store.items.write(some_items(3))
    with site.open(create=False) as store:
        assert store.items.count() == 3


def test_emptied_or_empty_folder_is_taken(folder: Path) -> None:
    """A folder that exists and is empty becomes a store."""
    StoreSite(str(folder)).open().close()
    StoreSite(str(folder)).open(create=False).close()


@pytest.mark.parametrize("create", [True, False])
def test_foreign_folder_is_left_alone(folder: Path, create: bool) -> None:
    """A folder with other things in it is refused and nothing in it is touched or added."""
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.jpg").write_bytes(b"meow")
    before = snapshot(folder)
    with pytest.raises(StoreMismatch, match="not empty"):
        StoreSite(str(folder)).open(create=create)
    assert snapshot(folder) == before


@pytest.mark.parametrize("marker", [b"", b"{", b"[]", b'{"driftline": "other"}'])
def test_foreign_marker_is_refused(folder: Path, marker: bytes) -> None:
    """A folder whose marker is not ours is refused and kept."""
    (folder / "driftline.json").write_bytes(marker)
    before = snapshot(folder)
    with pytest.raises(StoreMismatch, match=r"driftline\.json"):
        StoreSite(str(folder)).open()
    assert snapshot(folder) == before


def test_file_is_no_store(folder: Path) -> None:
    """A file where the folder should be is refused."""
    (folder / "file").write_text("text")
    with pytest.raises(StoreMismatch, match="is a file"):
        StoreSite(str(folder / "file")).open()
    with pytest.raises(StoreError, match=r"cannot use|is a file"):
        StoreSite(str(folder / "file" / "below")).open()


def test_reader_leaves_no_trace_where_nothing_is(folder: Path) -> None:
    """Looking for a store that is not there makes no folder and no file."""
    with pytest.raises(StoreNotFound):
        StoreSite(str(folder / "absent")).open(create=False)
    with pytest.raises(StoreNotFound):
        StoreSite(str(folder)).open(create=False)
    assert list(folder.iterdir()) == []


class TestDamagedStore:
    """A store that was tampered with."""

    @pytest.fixture
    def store_folder(self, folder: Path) -> Path:
        with StoreSite(str(folder / "store")).open() as store:
            put_users(store.users, some_users(["a"]))
        return folder / "store"

    def test_hidden_points_are_refused(self, store_folder: Path) -> None:
        """A users' collection that would hide new points is refused, with what to change; then it opens."""
        file = store_folder / "users" / "edge_config.json"
        config = json.loads(file.read_text())
        config["optimizers"]["prevent_unoptimized"] = True
        file.write_text(json.dumps(config))
        with pytest.raises(StoreMismatch, match=r"prevent_unoptimized to false in .*edge_config"):
            StoreSite(str(store_folder)).open()
        config["optimizers"]["prevent_unoptimized"] = False
        file.write_text(json.dumps(config))
        with StoreSite(str(store_folder)).open() as store:
            assert store.users.read(["a"])[0] is not None

    def test_lost_collection_is_refused(self, store_folder: Path) -> None:
        """A store whose users were taken away is refused: offsets elsewhere count on them."""
        (store_folder / "users").rename(store_folder.parent / "users")
        with pytest.raises(StoreMismatch, match=r"lost its collection 'users'.*replay"):
            StoreSite(str(store_folder)).open()

    def test_unreadable_collection_is_an_error(self, store_folder: Path) -> None:
        """Damage inside says where and what to do."""
        (store_folder / "items" / "edge_config.json").write_text("{")
        with pytest.raises(StoreMismatch, match=r"damaged.*replay"):
            StoreSite(str(store_folder)).open()


def test_a_sync_puts_the_log_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of the log of what was written, and their folder, are asked to be on the disk; nothing without a write."""
    synced, fsync = list[str](), os.fsync

    def noted(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    with StoreSite(str(folder / "store")).open() as store:
        store.sync()
        synced.clear()
        store.sync()
        assert synced == []
        claim = store.users.claim(["ada"])
        store.users.write(some_users(["ada"]), claim.holds)
        store.sync()
        log = (folder / "store" / "users" / "wal").resolve()
        assert set(synced) == {str(log), *(str(path) for path in log.iterdir())}
        synced.clear()
        store.items.write(some_items(1))
        store.blobs.put("name", b"blob")
        store.sync()
        assert {Path(path).parent.parent.name for path in synced if Path(path).is_file()} == {"items", "meta"}


def torn(before: Path, after: Path, into: Path, rng: random.Random, log: Path) -> None:
    """A folder as a loss of power may leave it: of each file but the log any pages of before or of after."""
    shutil.copytree(after, into)
    for path in (path for path in after.rglob("*") if path.is_file()):
        name = path.relative_to(after)
        old = before / name
        if "wal" in name.parts or not old.exists():
            continue
        was, now = old.read_bytes(), bytearray(path.read_bytes())
        if len(was) != len(now):
            now = bytearray(rng.choice([was, now]))
        else:
            for page in range(0, len(now), 4096):
                if rng.random() < 0.5:
                    now[page : page + 4096] = was[page : page + 4096]
        (into / name).write_bytes(now)
    shutil.rmtree(into / "users" / "wal")
    shutil.copytree(log / "users" / "wal", into / "users" / "wal")


def test_a_loss_of_power_after_a_sync_takes_nothing(folder: Path) -> None:
    """With the log on the disk every user and all progress is there again, whatever else got there; without it not."""
    path, before, after = (folder / name for name in ("store", "before", "after"))
    first, second = (
        some_users([f"user-{n}" for n in range(80)], 1),
        some_users([f"user-{n}" for n in range(50)], 2),
    )
    with StoreSite(str(path)).open() as store:
        claim = store.users.claim(first.user_ids)
        store.users.write(first, claim.holds, token=claim.token)
        store.sources.advance({1: 5})
        assert isinstance(store, EngineStore) and isinstance(store._engine, EdgeEngine)
        for collection in store._engine._open.values():
            collection.flush()
        shutil.copytree(path, before)
        for start in range(0, 50, 10):
            part = some_part(second, start, start + 10)
            store.users.write(part, [claim.token] * 10)
        store.sources.advance({1: 9})
        store.sync()
        shutil.copytree(path, after)
    lost = 0
    for seed in range(8):
        for log in (after, before):
            left = folder / f"{log.name}-{seed}"
            torn(before, after, left, random.Random(seed), log)
            with StoreSite(str(left)).open(create=False) as store:
                there = store.users.read(first.user_ids, with_vectors=True)
                whole = store.sources.progress([1]) == {1: 9}
                states = [record and record.state for record in there]
                whole &= states == [*second.states, *first.states[50:]]
                if log is after:
                    assert_users_equal(there[:50], second, vectors=True)
                    assert_users_equal(there[50:], some_part(first, 50, 80), vectors=True)
                    assert whole and store.users.count() == 80
                lost += not whole
            shutil.rmtree(left)
    assert lost == 8


def test_the_log_is_no_longer_than_what_a_flush_leaves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written long ago is in the store's other files: opening it replays the latest part of the log alone."""
    monkeypatch.setattr("sinks.edge.collection.FLUSH_EVERY_BYTES", 64 << 10)
    path, earlier = folder / "store", folder / "earlier"
    with StoreSite(str(path)).open() as store:
        put_users(store.users, some_users(["first"]))
        shutil.copytree(path / "users" / "wal", earlier)
        for number in range(20):
            put_users(store.users, some_users([f"user-{number}-{n}" for n in range(50)], number))
        left = folder / "left"
        shutil.copytree(path, left)
    shutil.rmtree(left / "users" / "wal")
    shutil.copytree(earlier, left / "users" / "wal")
    with StoreSite(str(left)).open(create=False) as store:
        assert store.users.count() > 500


@pytest.mark.parametrize("location", ["", "redis://user:hush@host/0", "qdrant://x"])
def test_other_locations_are_refused(location: str) -> None:
    """What is neither a folder nor an http URL is refused, without showing what may be a password."""
    with pytest.raises(StoreError, match="folder") as refusal:
        StoreSite(location).open()
    assert "hush" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_an_error(folder: Path) -> None:
    """A folder that may not be written is an error in our words."""
    folder.chmod(0o500)
    with pytest.raises(StoreError, match="cannot use the folder"):
        StoreSite(str(folder / "store")).open()


def test_bulk_load_is_searched_exactly_and_fast(folder: Path) -> None:
    """Twenty thousand items are found exactly, in milliseconds, before and after `optimize`."""
    dim = 64
    points = some_items(20_000, dim=dim)

    def search(store: Store) -> float:
        times = []
        for row in range(20):
            query = points.vectors[row] + points.vectors[row + 1]
            begun = time.perf_counter()
            found = store.items.search(query, 10, exclude=[item_key(points.item_ids[row])])
            times.append(time.perf_counter() - begun)
            best = [at for at in np.argsort(-(points.vectors @ query))[:11] if at != row]
            assert {item.item_id for item in found} == {points.item_ids[at] for at in best[:10]}
        return float(np.median(times))

    with StoreSite(str(folder / "store")).open(dim) as store:
        store.items.write(points)
        assert search(store) < 0.1
        store.optimize()
        assert search(store) < 0.1
