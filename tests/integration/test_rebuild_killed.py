"""`driftline rebuild` killed half-way: the old version is live as it was, and the next run completes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import sinks.versions
from sinks.errors import StoreUnavailable
from sinks.open import open_store
from sinks.protocols import Store
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.states import states_of
from support.data.event_columns import columns_of, event
from support.qdrant_process import QdrantProcess
from support.servers.quick_folder import quick_folder
from transfer.config import TransferConfig

USERS = 1500
OLD = Settings()
NEW = Settings(transfer=TransferConfig(emergence_gain=0.0, short_term_share=0.9))
NEW_FILE = "[transfer]\nemergence_gain = 0.0\nshort_term_share = 0.9\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        (folder / "new.toml").write_text(NEW_FILE)
        yield folder


def fill(location: str) -> None:
    events = [
        event(f"u{n % USERS}", f"i{n % 50}", at=3.0 * n, scenario=("toys", "garden")[n % 3 == 0])
        for n in range(3 * USERS)
    ]
    with open_intake(location, OLD, create=True) as intake:
        intake.catalogue.upsert([ItemRow(f"i{n}", "", "", "toys") for n in range(60)])
        intake.ingest.apply(columns_of(events))


def rebuild(folder: Path, location: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "rebuild", "analytic"]
    command += ["--config", str(folder / "new.toml"), "--store", location, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ))


def opened(location: str) -> Store:
    return open_store(location, OLD.store, OLD.interest.dim, create=False)


def kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool], later_s: float = 0.0) -> None:
    """SIGKILL once the condition holds, and so many seconds later; an end before that is left as it is."""
    end = time.monotonic() + 120
    while process.poll() is None and not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(later_s)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def assert_served_by(location: str, settings: Settings) -> None:
    with open_for_reading(location, settings) as workspace:
        names, states, fused = states_of(workspace.store, workspace.interest)
        assert len(names) == USERS and states.n_events.tolist() == [3] * USERS
        np.testing.assert_allclose(fused, workspace.model(states).fused, atol=1e-5)
        assert workspace.store.items.count() == 60


def completes(folder: Path, location: str) -> None:
    process = rebuild(folder, location)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output.decode()


def test_killed_on_a_folder(folder: Path) -> None:
    """Wherever the kill falls, the folder opens again, is of the old model, and a last run makes it the new one's."""
    store, rng = folder / "s", random.Random(5)
    fill(str(store))
    lock, within = store / ".driftline.lock", 0
    for number in range(3):
        lock.write_text("")
        process = rebuild(folder, str(store))
        # The first run makes the version's folders; the later ones continue as soon as they have the lock.
        begun = (lambda: any(store.glob("users@*/*"))) if not number else (lambda: "pid" in lock.read_text())
        kill_when(process, begun, rng.uniform(0, 0.3) if number else 0.0)
        with opened(str(store)) as found:
            versions = found.versions.read()
        if versions.live:
            break
        within += len(versions.all) > 1
        assert_served_by(str(store), OLD)
    assert within
    completes(folder, str(store))
    assert_served_by(str(store), NEW)


@pytest.mark.server
def test_killed_on_a_server(folder: Path) -> None:
    """Killed after some requests, each run leaves the old version live; the last one completes what is missing."""
    with QdrantProcess(folder / "q") as server:
        fill(server.url)
        server.faults(delay_s=0.02)
        for writes in (4, 3):
            before = server.faults()["calls"].get("Upsert", 0)
            kill_when(
                rebuild(folder, server.url),
                lambda before=before, writes=writes: server.faults()["calls"]["Upsert"] >= before + writes,  # type: ignore[misc]
            )
            with opened(server.url) as store:
                versions = store.versions.read()
                assert versions.live == "" and len(versions.all) == 2
            assert_served_by(server.url, OLD)
        server.faults(delay_s=0)
        completes(folder, server.url)
        assert_served_by(server.url, NEW)


@pytest.mark.server
def test_killed_in_the_switch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed while writers wait keeps them waiting for a moment only; the next run completes."""
    monkeypatch.setattr(sinks.versions, "FREEZE_PATIENCE_S", 1.0)
    with QdrantProcess(folder / "q") as server:
        fill(server.url)
        server.faults(delay_s=0.01)
        with opened(server.url) as watcher:
            kill_when(rebuild(folder, server.url), lambda: watcher.versions.read().frozen != "")
            assert watcher.versions.read().frozen and watcher.versions.read().live == ""
        server.faults(delay_s=0)
        assert_served_by(server.url, OLD)
        with open_intake(server.url, OLD, create=True) as writer:
            end = time.monotonic() + 30
            while True:
                try:
                    writer.catalogue.upsert([ItemRow("i0", f"new {time.monotonic()}", "", "toys")])
                    break
                except StoreUnavailable:
                    assert time.monotonic() < end
                    time.sleep(0.1)
        completes(folder, server.url)
        assert_served_by(server.url, NEW)
