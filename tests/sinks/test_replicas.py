"""Collections with several replicas: what requests ask for there, and that it is needed."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import qdrant_edge as edge
from pydantic import ValidationError
from qdrant_client import grpc as messages

from sinks.collection import PointBatch
from sinks.config import StoreConfig
from sinks.errors import StoreUnavailable
from sinks.points import item_key, named_id
from sinks.server.channel import ServerChannel
from sinks.server.engine import ServerEngine
from sinks.server.replicas import LOOK_AGAIN_S, Replicas, least_acknowledged
from sinks.versions import Version
from support.data.store_points import StoreSite, put_users, some_items, some_users
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

NAMES = [f"user-{n}" for n in range(20)]
POINT = named_id("a point")


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    """One that keeps two replicas of every collection, whatever it is asked for."""
    with QdrantServer(folder / "qdrant", replicas=2) as server:
        yield server


@pytest.fixture
def plain(folder: Path) -> Iterator[QdrantServer]:
    """One that keeps as many replicas as it is asked for."""
    with QdrantServer(folder / "plain") as server:
        yield server


class Client:
    """Requests as anybody may send them."""

    def __init__(self, server: QdrantServer) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        self.points = messages.PointsStub(self._channel)
        self.collections = messages.CollectionsStub(self._channel)

    def create(self, name: str, **more: Any) -> None:
        request = messages.CreateCollection(collection_name=name, **more)
        params = request.vectors_config.params_map.map["v"]
        params.size, params.distance = 4, messages.Distance.Cosine
        self.collections.Create(request)

    def params(self, name: str) -> Any:
        info = self.collections.Get(messages.GetCollectionInfoRequest(collection_name=name))
        return info.result.config.params

    def write(self, name: str, value: int, keys: range, ordering: Any) -> None:
        points = [messages.PointStruct(id=messages.PointId(num=key)) for key in keys]
        for point in points:
            point.vectors.vectors.SetInParent()
            point.payload["value"].integer_value = value
        self.points.Upsert(
            messages.UpsertPoints(collection_name=name, wait=True, points=points, ordering=ordering)
        )

    def there(self, name: str, keys: range, kind: int) -> set[int]:
        consistency = messages.ReadConsistency(type=kind)
        request = messages.GetPoints(
            collection_name=name,
            ids=[messages.PointId(num=key) for key in keys],
            with_payload=messages.WithPayloadSelector(enable=True),
            with_vectors=messages.WithVectorsSelector(enable=False),
            read_consistency=consistency,
        )
        return {point.id.num for point in self.points.Get(request).result}

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def client(server: QdrantServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.close()


# --- what replicas do


@pytest.mark.parametrize(
    ("ordering", "differ"),
    [
        (None, True),
        (messages.WriteOrdering(type=messages.WriteOrderingType.Weak), True),
        (messages.WriteOrdering(type=messages.WriteOrderingType.Medium), False),
        (messages.WriteOrdering(type=messages.WriteOrderingType.Strong), False),
    ],
)
def test_racing_updates_need_an_ordering(client: Client, ordering: Any, differ: bool) -> None:
    """Without an ordering racing updates leave replicas that differ for good; with one they don't."""
    client.create("c")
    keys = range(50)

    def write(writer: int) -> None:
        for number in range(30):
            client.write("c", 100 * writer + number, range(number, number + 5), ordering)

    for _ in range(20):
        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        # Whether two of them ever meet is chance; where it must not matter, one round is as good as many.
        if not differ or client.there("c", keys, messages.ReadConsistencyType.All) < set(range(34)):
            break
    for kind in (messages.ReadConsistencyType.All, messages.ReadConsistencyType.Quorum):
        agreed = client.there("c", keys, kind)
        assert (agreed < set(range(34))) if differ else (agreed == set(range(34)))


# --- what collections are made with


def test_settings_say_how_collections_are_made(plain: QdrantServer) -> None:
    """Shards, replicas and acknowledgements of new collections are those of the settings, a half of the replicas if no
    number is set; without settings the server decides."""
    client = Client(plain)
    cases: dict[str, tuple[dict[str, int], tuple[int, int, int]]] = {
        "a-": ({}, (1, 1, 1)),
        "b-": ({"shards": 6, "replicas": 3}, (6, 3, 2)),
        "c-": ({"replicas": 2}, (1, 2, 1)),
        "d-": ({"replicas": 3, "write_consistency": 3}, (1, 3, 3)),
    }
    for prefix, (settings, wanted) in cases.items():
        with StoreSite(plain.url, {"prefix": prefix, **settings}).open() as store:
            store.versions.begin(Version("m2"))
        for name in ("users", "items", "meta", "users@m2", "items@m2"):
            params = client.params(prefix + name)
            there = params.shard_number, params.replication_factor, params.write_consistency_factor
            assert there == wanted
    client.close()


def test_more_acknowledgements_than_replicas_are_refused() -> None:
    """A write that nobody could acknowledge often enough is a wrong setting."""
    for settings in ({"write_consistency": 2}, {"replicas": 2, "write_consistency": 3}):
        with pytest.raises(ValidationError, match="write_consistency"):
            StoreConfig(**settings)


@pytest.mark.parametrize("replicas", range(1, 10))
def test_reads_of_a_majority_see_every_acknowledged_write(replicas: int) -> None:
    """Those who acknowledged a write and those who are asked about it always have one in common."""
    assert least_acknowledged(replicas) + (replicas // 2 + 1) > replicas
    assert least_acknowledged(replicas) <= replicas


# --- what requests ask for


def test_every_update_asks_for_an_ordering(server: QdrantServer) -> None:
    """On collections that have replicas, though nobody set any, no kind of update goes without an ordering."""
    with StoreSite(server.url).open() as store:
        put_users(store.users, some_users(NAMES))
        store.users.delete(NAMES[:3])
        store.items.write(some_items(5))
        store.items.add(some_items(7))
        store.items.delete([item_key("item-1")])
        store.blobs.put("a/b", b"blob")
        store.versions.begin(Version("m2"))
        with store.versions.switching() as switch:
            switch.activate("m2")
        assert {"Upsert", "Delete", "CreateFieldIndex"} <= server.calls.keys()
    assert server.unordered_updates() == {}


@pytest.mark.parametrize("ordering", ["medium", "strong"])
def test_the_ordering_is_the_one_that_is_set(server: QdrantServer, ordering: str) -> None:
    """`medium` by default, `strong` where it is set; there is no third."""
    engine = ServerEngine(server.url, StoreConfig(write_ordering=ordering))  # type: ignore[arg-type]
    channel = engine._channel
    Client(server).create("c")
    replicas = Replicas(channel, "c", ordering, 2)  # type: ignore[arg-type]
    points = messages.PointsStub(channel.grpc)
    wanted = {"medium": messages.WriteOrderingType.Medium, "strong": messages.WriteOrderingType.Strong}
    by_message = replicas.update(points.Delete, messages.DeletePoints())
    by_bytes = messages.SetPayloadPoints.FromString(
        replicas.update(points.SetPayload, messages.SetPayloadPoints(wait=True).SerializeToString())
    )
    assert by_message.ordering.type == by_bytes.ordering.type == wanted[ordering]
    assert by_bytes.wait
    engine.close()
    with pytest.raises(ValidationError):
        StoreConfig(write_ordering="weak")  # type: ignore[arg-type]


def test_one_replica_asks_for_nothing(plain: QdrantServer) -> None:
    """Where there is one replica, requests stay as they are."""
    Client(plain).create("c")
    channel = ServerChannel(plain.url, StoreConfig())
    replicas = Replicas(channel, "c", "medium", 1)
    points = messages.PointsStub(channel.grpc)
    assert replicas.update(points.Upsert, b"request") == b"request"
    assert not replicas.settled(points.Get, messages.GetPoints()).HasField("read_consistency")
    channel.close()


def differ(server: QdrantServer, collection: str) -> None:
    """Let each replica have another version of every point."""
    one, other = server.replicated(collection).replicas
    keys = [record.id for record in one.scroll(edge.ScrollRequest(limit=1000))[0]]
    other.update(edge.UpdateOperation.set_payload(keys, {"newer": True}))


def test_absent_is_not_what_replicas_differ_on(server: QdrantServer) -> None:
    """A read on which a write depends never takes a point that replicas differ on for absent; serving continues."""
    with StoreSite(server.url, {"timeout_s": 1.0}).open() as store:
        store.items.write(some_items(5))
        store.blobs.put("blob", b"there")
        differ(server, "meta")
        differ(server, "items")
        with pytest.raises(StoreUnavailable, match="differ on 1 points"):
            store.blobs.get("blob")
        assert store.blobs.get("another") is None
        found = {
            record.item_id for _ in range(20) for record in store.items.read([item_key("item-1")]) if record
        }
        assert found == {"item-1"}


def test_a_settled_read_waits_until_replicas_agree(server: QdrantServer) -> None:
    """While an update is on its way to the second replica, a read on which a write depends waits for it."""
    engine = ServerEngine(server.url, StoreConfig(timeout_s=10.0))
    Client(server).create("c")
    collection = engine._collection("c")

    def batch(value: int) -> PointBatch:
        return PointBatch([POINT], {}, [{"value": value}], np.array([10]))

    collection.upsert(batch(1))
    late = server.replicated("c").locks[1]
    with late:
        writer = threading.Thread(target=collection.upsert, args=(batch(2),))
        writer.start()
        readings: list[Any] = []
        reader = threading.Thread(target=lambda: readings.append(collection.retrieve([POINT], False)))
        while server.replicated("c").replicas[0].retrieve([uuid.UUID(POINT)], True, False)[0].payload != {
            "value": 2
        }:
            pass
        reader.start()
        reader.join(0.3)
        assert reader.is_alive(), "the replicas differ, so there is no answer yet"
        plain = {
            found.payload["value"] for _ in range(40) for found in collection.retrieve([POINT], False, False)
        }
        assert plain == {1, 2}, "a read on which nothing depends takes what it gets"
    writer.join()
    reader.join(10)
    assert [found.payload["value"] for found in readings[0]] == [2]
    engine.close()


# --- what is known of replicas


def test_replicas_that_somebody_else_made_are_told(
    server: QdrantServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Replicas that the settings don't name are noticed, with one warning a collection; those they name need none."""
    with caplog.at_level(logging.WARNING, "sinks"), StoreSite(server.url).open() as store:
        put_users(store.users, some_users(NAMES))
        put_users(store.users, some_users(NAMES))
    told = [record.message for record in caplog.records if "replicas" in record.message]
    assert len(told) == 3 and all("store.replicas = 2" in message for message in told)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "sinks"):
        StoreSite(server.url, {"replicas": 2}).open(create=False).close()
    assert not caplog.records


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED])
def test_a_server_that_tells_no_shards_is_believed(server: QdrantServer, code: grpc.StatusCode) -> None:
    """Where a managed server keeps to itself where its shards are, what the collection says of its replicas counts."""
    Client(server).create("c")
    channel = ServerChannel(server.url, StoreConfig())
    server.fail_next(1, code, method="CollectionClusterInfo")
    assert Replicas(channel, "c", "medium", 2).count == 2
    channel.close()


def test_replicas_are_looked_up_again(plain: QdrantServer) -> None:
    """A collection that gets replicas while it is written is noticed after a while; a failure to look changes
    nothing."""
    client, now = Client(plain), [0.0]
    client.create("c")
    channel = ServerChannel(plain.url, StoreConfig())
    replicas = Replicas(channel, "c", "medium", 1, clock=lambda: now[0])
    client.collections.Delete(messages.DeleteCollection(collection_name="c"))
    client.create("c", replication_factor=2)
    assert replicas.count == 1
    now[0] += LOOK_AGAIN_S
    plain.fail_next(1, grpc.StatusCode.INVALID_ARGUMENT, method="Get")
    assert replicas.count == 1
    now[0] += LOOK_AGAIN_S
    assert replicas.count == 2
    channel.close()
    client.close()


# --- a node goes away


def test_two_replicas_serve_and_three_write_while_one_is_away(folder: Path) -> None:
    """While one of two replicas is away a reader continues and a writer waits; with three the writer continues. When it is
    back all continue, and nothing is missing."""
    for replicas, writes in ((2, False), (3, True)):
        with (
            QdrantServer(folder / f"{replicas}", replicas=replicas) as server,
            StoreSite(server.url).open() as writer,
            StoreSite(server.url).open(create=False) as reader,
        ):
            writer.blobs.put("blob", b"before")
            writer.items.write(some_items(3))
            collections = ("users", "items", "meta")
            for name in collections:
                server.replicated(name).lose(1)
            with StoreSite(server.url).open(create=False) as late:
                assert late.blobs.get("blob") == reader.blobs.get("blob") == b"before"
                assert all(late.items.read([item_key("item-1")], with_vectors=True))
                assert late.items.search(some_items(1).vectors[0], 2)
            if writes:
                assert writer.blobs.get("blob") == b"before"
                writer.blobs.put("blob", b"after")
            else:
                with pytest.raises(StoreUnavailable, match="not have enough active replicas"):
                    writer.blobs.get("blob")
                with pytest.raises(StoreUnavailable, match="not have enough active replicas"):
                    StoreSite(server.url).open()
            for name in collections:
                server.replicated(name).recover(1)
            for store in (writer, reader):
                assert store.blobs.get("blob") == (b"after" if writes else b"before")


def test_a_reader_that_writes_is_a_writer(server: QdrantServer) -> None:
    """A store that was opened to read asks a majority from its first write on."""
    StoreSite(server.url).open().close()
    with StoreSite(server.url, {"timeout_s": 0.5}).open(create=False) as store:
        differ(server, "meta")
        store.blobs.get("unknown")
        store.blobs.put("blob", b"there")
        differ(server, "meta")
        with pytest.raises(StoreUnavailable, match="still differ"):
            store.blobs.get("blob")
