"""The contract on a real Qdrant, where DRIFTLINE_TEST_QDRANT names one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from qdrant_client import grpc as messages

from contract.fence_contract import FenceContract
from contract.store_contract import StoreContract
from sinks.channel import ServerChannel, Work
from sinks.config import StoreConfig
from support.store_points import Place

URL = os.environ.get("DRIFTLINE_TEST_QDRANT", "")
API_KEY = os.environ.get("DRIFTLINE_TEST_QDRANT_API_KEY")

if not URL:
    pytest.skip("DRIFTLINE_TEST_QDRANT names no server", allow_module_level=True)


@pytest.mark.server
class TestQdrantStore(StoreContract, FenceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Iterator[Callable[[], Place]]:
        prefixes: list[str] = []

        def place() -> Place:
            prefixes.append(f"driftline-test-{uuid.uuid4().hex[:8]}-")
            return Place(URL, {"prefix": prefixes[-1], "api_key": API_KEY, "timeout_s": 60})

        yield place
        channel = ServerChannel(URL, StoreConfig(api_key=API_KEY, timeout_s=60))
        delete = messages.CollectionsStub(channel.grpc).Delete
        for prefix in prefixes:
            for name in ("users", "items", "meta"):
                request = messages.DeleteCollection(collection_name=prefix + name)
                channel.call(delete, request, Work("deleting", prefix + name))
        channel.close()
