"""The contract on a real Qdrant, where DRIFTLINE_TEST_QDRANT names one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from qdrant_client import grpc as messages

from contract.fence_contract import FenceContract
from contract.store_contract import StoreContract
from contract.upgrade_contract import OpenEngine, UpgradeContract, config_of
from contract.version_contract import SharedVersionContract, VersionContract
from contract.writer_contract import SharedWriterContract, WriterContract
from sinks.channel import ServerChannel, Work
from sinks.config import StoreConfig
from sinks.server import ServerEngine
from support.store_points import Place

URL = os.environ.get("DRIFTLINE_TEST_QDRANT", "")
API_KEY = os.environ.get("DRIFTLINE_TEST_QDRANT_API_KEY")

if not URL:
    pytest.skip("DRIFTLINE_TEST_QDRANT names no server", allow_module_level=True)


@pytest.mark.server
class TestQdrantStore(
    StoreContract,
    FenceContract,
    VersionContract,
    WriterContract,
    UpgradeContract,
    SharedVersionContract,
    SharedWriterContract,
):
    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Iterator[Callable[[], Place]]:
        prefixes: list[str] = []

        def place() -> Place:
            prefixes.append(f"driftline-test-{uuid.uuid4().hex[:8]}-")
            return Place(URL, {"prefix": prefixes[-1], "api_key": API_KEY, "timeout_s": 60})

        yield place
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
        return lambda place: ServerEngine(place.location, config_of(place))
