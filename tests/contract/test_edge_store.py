"""The contract on the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from contract.store_contract import StoreContract
from contract.tombstone_contract import TombstoneContract
from contract.upgrade_contract import OpenEngine, UpgradeContract
from contract.version_contract import VersionContract
from contract.writer_contract import WriterContract
from sinks.edge.engine import EdgeEngine
from support.data.store_points import StoreSite
from support.servers.quick_folder import quick_folder


class TestEdgeStore(StoreContract, VersionContract, WriterContract, TombstoneContract, UpgradeContract):
    @pytest.fixture(scope="class")
    @classmethod
    def sites(cls) -> Iterator[Callable[[], StoreSite]]:
        numbers = count()
        with quick_folder() as folder:
            yield lambda: StoreSite(str(folder / f"store-{next(numbers)}"))

    @pytest.fixture(scope="class")
    @classmethod
    def open_engine(cls) -> OpenEngine:
        return lambda site: EdgeEngine(Path(site.location), create=True)
