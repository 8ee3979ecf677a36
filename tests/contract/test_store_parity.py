"""The embedded and the server store, given the same, answer the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sinks.points import ItemRecord, UserRecord, item_key
from sinks.protocols import Store
from support.data.store_points import StoreSite, put_users, some_items, some_users, unit_rows
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder

DIM = 32


@pytest.fixture(scope="module")
def stores() -> Iterator[tuple[Store, Store]]:
    with ExitStack() as stack:
        folder = stack.enter_context(quick_folder())
        server = stack.enter_context(QdrantServer(folder / "server"))
        both = [
            stack.enter_context(StoreSite(location).open(DIM))
            for location in (server.url, str(folder / "embedded"))
        ]
        for store in both:
            put_users(store.users, some_users([f"user-{n}" for n in range(300)], seed=1, dim=DIM))
            put_users(store.users, some_users([f"user-{n}" for n in range(200, 400)], seed=2, dim=DIM))
            items = some_items(2000, dim=DIM)
            store.items.write(replace(items, contents=[f"content-{n % 700}" for n in range(2000)]))
            store.items.delete([item_key(f"item-{n}") for n in range(0, 2000, 9)])
        yield both[0], both[1]


def plain(record: UserRecord | ItemRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    fields = {name: getattr(record, name) for name in record.__slots__}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()
    }


@pytest.mark.server
class TestParity:
    def test_same_users(self, stores: tuple[Store, Store]) -> None:
        """Equal to the bit, vectors included; a server may round a payload's last digit, and a folder has one writer only."""
        wanted = [f"user-{n}" for n in range(-5, 405)]
        for one, other in zip(
            *(store.users.read(wanted, with_vectors=True) for store in stores), strict=True
        ):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert one.weights == pytest.approx(other.weights, rel=1e-15)
                assert one.updated_at == pytest.approx(other.updated_at, rel=1e-15)
                exact = replace(other, weights=one.weights, updated_at=one.updated_at, writer=one.writer)
                assert plain(one) == plain(exact)

    def test_same_scan(self, stores: tuple[Store, Store]) -> None:
        """Scans come in the same batches and order."""
        one, other = ([[r.user_id for r in batch] for batch in store.users.scan(64)] for store in stores)
        assert one == other and sum(map(len, one)) == 400

    def test_same_items(self, stores: tuple[Store, Store]) -> None:
        """Reads and counts of items, and vectors by content, are equal."""
        keys = [item_key(f"item-{n}") for n in range(2005)]
        one, other = ([plain(r) for r in store.items.read(keys, with_vectors=True)] for store in stores)
        assert one == other
        assert stores[0].items.count() == stores[1].items.count()
        contents = [f"content-{n}" for n in range(800)]
        one_by, other_by = (store.items.contents(contents) for store in stores)
        assert one_by.keys() == other_by.keys()

    @pytest.mark.parametrize("scenario", [None, "s3"])
    def test_same_searches(self, stores: tuple[Store, Store], scenario: str | None) -> None:
        """Searches with filters and exclusions give the same items with the same scores."""
        excluded = [item_key(f"item-{n}") for n in range(0, 2000, 3)]
        for vector in unit_rows(np.random.default_rng(5), 20, DIM):
            one, other = (store.items.search(vector, 20, scenario, excluded) for store in stores)
            assert [item.key for item in one] == [item.key for item in other]
            np.testing.assert_allclose([i.score for i in one], [i.score for i in other], atol=1e-6)
