"""The contract on the server engine, over the test server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from contract.fence_contract import FenceContract
from contract.store_contract import StoreContract
from contract.version_contract import SharedVersionContract, VersionContract
from support.qdrant_server import QdrantServer
from support.quick_folder import quick_folder
from support.store_points import Place


@pytest.mark.server
class TestServerStore(StoreContract, FenceContract, VersionContract, SharedVersionContract):
    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Iterator[Callable[[], Place]]:
        numbers = count()
        with quick_folder() as folder, QdrantServer(folder) as server:
            yield lambda: Place(server.url, {"prefix": f"store-{next(numbers)}-"})
