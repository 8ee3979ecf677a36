"""Fixtures for all tests."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

from support.servers.brokers import broker, embedded_broker, kafka, topic_prefix

# Nothing loads from a hub, here as at run time. Model libraries read this when a test first imports them.
os.environ["HF_HUB_OFFLINE"] = "1"

# What encoders keep on disk is each test's own: one that counts what is encoded must not find another's. For fixtures of more
# than one test nothing is kept. The pictures' fonts are the user's.
_CACHES = tempfile.TemporaryDirectory(prefix="driftline-tests-")
_NUMBERS = itertools.count()
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
os.environ["XDG_CACHE_HOME"] = "/dev/null"

# A busy machine is no failure of a property, and the same commit gives the same verdict; "thorough" looks elsewhere
# each time: pytest -m hypothesis --hypothesis-profile thorough
hypothesis.settings.register_profile("driftline", deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=3000)
# What `make fuzz` takes, for hours if wanted: FUZZ=100000.
hypothesis.settings.register_profile(
    "fuzz", deadline=None, max_examples=int(os.environ.get("FUZZ", "10000")), print_blob=True
)
hypothesis.settings.load_profile("driftline")

__all__ = ["broker", "embedded_broker", "kafka", "topic_prefix"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: packed ones may hold the time, and every process has to collect the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def own_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for caches that no other test has; made when something is put there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(_CACHES.name) / str(next(_NUMBERS))))
