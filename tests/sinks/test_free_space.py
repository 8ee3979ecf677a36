"""A folder on a disk that fills up: writing waits and continues, nothing is ended by the engine's mapped files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinks.config import StoreConfig
from sinks.edge.free_space import FreeSpace
from sinks.errors import StoreUnavailable
from sinks.open import open_store
from support.data.store_points import DIM, some_items

DISK_BYTES = 600 << 20
RESERVE_BYTES = 100 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path, free_bytes: int) -> None:
    """Take what is free but so much."""
    with file.open("ab") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(file.parent).free - free_bytes)


def test_a_full_disk_is_waited_for(small_disk: Path) -> None:
    """Less than the reserve: a write raises what is retried, and says why; with room again the same write is taken, and what
    was there before is there still."""
    ballast = small_disk / "ballast"
    config = StoreConfig(min_free_bytes=RESERVE_BYTES)
    with open_store(str(small_disk / "store"), config, DIM, create=True) as store:
        store.items.write(some_items(50))
        fill(ballast, RESERVE_BYTES // 2)
        for _ in range(3):
            with pytest.raises(
                StoreUnavailable, match=r"nearly full: 50 MiB are free, 100 MiB have to stay so"
            ):
                store.items.write(some_items(200))
        assert store.items.count() == 50, "it is still read"
        ballast.unlink()
        store.items.write(some_items(200))
        assert store.items.count() == 200
        fill(ballast, RESERVE_BYTES // 2)  # and closing flushes into the reserve
    ballast.unlink()
    with open_store(str(small_disk / "store"), config, DIM, create=False) as store:
        assert store.items.count() == 200


def test_no_reserve_asks_for_nothing(tmp_path: Path) -> None:
    """0 turns it off; a reserve that no disk has is always missing."""
    FreeSpace(tmp_path, 0).require()
    FreeSpace(tmp_path, 1).require()
    with pytest.raises(StoreUnavailable, match=r"store\.min_free_bytes"):
        FreeSpace(tmp_path, int(np.iinfo(np.int64).max)).require()
