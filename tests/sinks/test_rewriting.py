"""A folder that is written anew keeps all that it holds, wherever that is cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sinks.versions import Version
from support.data.store_points import DIM, StoreSite, assert_users_equal, put_users, some_items, some_users
from support.servers.quick_folder import quick_folder


def held(site: StoreSite, names: list[str]) -> None:
    with site.open(create=False) as store:
        assert_users_equal(store.users.read(names, True), some_users(names), vectors=True)
        assert store.users.count() == len(names)
        assert sum(map(len, store.items.scan(50))) == 3
        put_users(store.users, some_users(names))  # its indexes and conditions are there


KILLED = """
import os, signal, sys
from pathlib import Path
from sinks.config import StoreConfig
from sinks.open import open_store

renames, rename = [], Path.rename

def counted(path, target):
    if len(renames) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    renames.append(target)
    return rename(path, target)

import sinks.edge.rewriting as rewriting
remove = rewriting.shutil.rmtree

def removing(path, **more):
    if len(renames) == int(sys.argv[2]) and path.name.endswith(".stale"):
        os.kill(os.getpid(), signal.SIGKILL)
    remove(path, **more)

with open_store(sys.argv[1], StoreConfig(), int(sys.argv[3]), create=False) as store:
    Path.rename, rewriting.shutil.rmtree = counted, removing
    store.vacuum()
"""
"""Writes a store anew, and is killed at a rename, or between the last one and the end."""


@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_killed_anywhere_nothing_is_lost(renames: int) -> None:
    """The next one who opens the store finds what it held, and finishes or drops what was begun."""
    names = [f"u{n}" for n in range(1203)]
    with quick_folder() as folder:
        site = StoreSite(str(folder / "s"))
        with site.open() as store:
            put_users(store.users, some_users(names))
            store.items.write(some_items(3))
        command = [sys.executable, "-c", KILLED, site.location, str(renames), str(DIM)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        held(site, names)
        folders = sorted(path.name for path in (folder / "s").iterdir() if path.is_dir())
        assert folders == ["items", "meta", "users"]
        with site.open(create=False) as again:
            assert again.vacuum()
        held(site, names)


def test_an_open_store_goes_on_after_it(tmp_path: Path) -> None:
    """Who has the store open writes and reads as before, in all versions."""
    names = [f"u{n}" for n in range(30)]
    with StoreSite(str(tmp_path / "s")).open() as store:
        put_users(store.users, some_users(names))
        draft = store.versions.begin(Version("m2", model="other"))
        put_users(draft.users, some_users(names[:7], seed=4))
        assert store.vacuum()
        assert_users_equal(store.users.read(names, True), some_users(names), vectors=True)
        assert draft.users.count() == 7
        put_users(store.users, some_users(names, seed=2))
        (one,) = store.users.read(names[:1], True)
        assert one is not None and np.isfinite(one.fused).all()
