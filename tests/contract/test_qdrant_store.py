"""The contract on a real Qdrant, where DRIFTLINE_TEST_QDRANT names one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from qdrant_client import grpc as messages

from contract.store_contract import StoreContract
from contract.tombstone_contract import TombstoneContract
from contract.upgrade_contract import OpenEngine, UpgradeContract, config_of
from contract.version_contract import SharedVersionContract, VersionContract
from contract.writer_contract import SharedWriterContract, WriterContract
from sinks.config import StoreConfig
from sinks.server.channel import ServerChannel, Work
from sinks.server.cluster import look_at_cluster
from sinks.server.engine import ServerEngine
from streams.cli.doctor_cluster import tell_of_cluster
from support.data.store_points import StoreSite
from support.fakes.many_writers import Process, wrong_users

URL = os.environ.get("DRIFTLINE_TEST_QDRANT", "")
API_KEY = os.environ.get("DRIFTLINE_TEST_QDRANT_API_KEY")
REPLICAS = os.environ.get("DRIFTLINE_TEST_QDRANT_REPLICAS")
"""Of the stores that are made; the server's default where it is not set."""

if not URL:
    pytest.skip("DRIFTLINE_TEST_QDRANT names no server", allow_module_level=True)


@pytest.mark.server
class TestQdrantStore(
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
        prefixes: list[str] = []

        def site() -> StoreSite:
            prefixes.append(f"driftline-test-{uuid.uuid4().hex[:8]}-")
            settings = {"prefix": prefixes[-1], "api_key": API_KEY, "timeout_s": 60, "replicas": REPLICAS}
            return StoreSite(URL, settings)

        yield site
        channel = ServerChannel(URL, StoreConfig(api_key=API_KEY, timeout_s=60))
        collections = messages.CollectionsStub(channel.grpc)
        listed = channel.call(collections.List, messages.ListCollectionsRequest(), Work("listing", "all"))
        assert listed is not None
        for name in (found.name for found in listed.collections):
            if name.startswith(tuple(prefixes)):
                request = messages.DeleteCollection(collection_name=name)
                channel.call(collections.Delete, request, Work("deleting", name))
        channel.close()

    @pytest.fixture(scope="class")
    @classmethod
    def open_engine(cls) -> OpenEngine:
        return lambda site: ServerEngine(site.location, config_of(site))

    def test_racing_writers_lose_nothing(self, site: StoreSite) -> None:
        """Processes that race to add to the same users leave the sum of what all added, on replicas too."""
        with ExitStack() as stack:
            crew = [Process(stack.enter_context(site.open())) for _ in range(3)]
            assert wrong_users(crew, [f"user-{n}" for n in range(40)], rounds=20) == 0
            assert sum(process.counts["refused"] + process.counts["lost"] for process in crew) > 20

    def test_the_nodes_are_told(self, site: StoreSite) -> None:
        """What is said of the server's nodes is what the collections were made with, and nothing is wrong with it."""
        site.open().close()
        config = StoreConfig(**site.settings)
        found = look_at_cluster(site.location, config)
        assert {spread.replicas for spread in found.spreads} == {int(REPLICAS or 1)}
        assert found.nodes is None or found.nodes >= int(REPLICAS or 1)
        assert all(ok is not False for ok, _, _ in tell_of_cluster(site.location, config))
