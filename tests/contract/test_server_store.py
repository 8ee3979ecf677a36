"""The contract on the server engine, over the test server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from contract.store_contract import StoreContract
from contract.tombstone_contract import TombstoneContract
from contract.upgrade_contract import OpenEngine, UpgradeContract, config_of
from contract.version_contract import SharedVersionContract, VersionContract
from contract.writer_contract import SharedWriterContract, WriterContract
from sinks.server.engine import ServerEngine
from support.data.store_points import StoreSite
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder


@pytest.mark.server
class TestServerStore(
    StoreContract,
    VersionContract,
    WriterContract,
    TombstoneContract,
    UpgradeContract,
    SharedVersionContract,
    SharedWriterContract,
):
    @pytest.fixture(scope="class")
    @classmethod
    def sites(cls) -> Iterator[Callable[[], StoreSite]]:
        numbers = count()
        with quick_folder() as folder, QdrantServer(folder) as server:
            yield lambda: StoreSite(server.url, {"prefix": f"store-{next(numbers)}-"})

    @pytest.fixture(scope="class")
    @classmethod
    def open_engine(cls) -> OpenEngine:
        return lambda site: ServerEngine(site.location, config_of(site))


@pytest.mark.server
class TestReplicatedStore(
    StoreContract,
    VersionContract,
    WriterContract,
    TombstoneContract,
    SharedVersionContract,
    SharedWriterContract,
):
    """The same where each point has two replicas."""

    @pytest.fixture(scope="class")
    @classmethod
    def sites(cls) -> Iterator[Callable[[], StoreSite]]:
        numbers = count()
        with quick_folder() as folder, QdrantServer(folder, replicas=2) as server:
            yield lambda: StoreSite(server.url, {"prefix": f"store-{next(numbers)}-"})
            assert not server.unordered_updates()
