"""A folder for stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers.quick_folder import quick_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, quick to make a store in."""
    with quick_folder() as folder:
        yield folder
