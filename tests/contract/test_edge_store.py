"""The contract on the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from contract.fence_contract import FenceContract
from contract.store_contract import StoreContract
from contract.version_contract import VersionContract
from contract.writer_contract import WriterContract
from support.quick_folder import quick_folder
from support.store_points import Place


class TestEdgeStore(StoreContract, FenceContract, VersionContract, WriterContract):
    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Iterator[Callable[[], Place]]:
        numbers = count()
        with quick_folder() as folder:
            yield lambda: Place(str(folder / f"store-{next(numbers)}"))
