"""The test server does what a real Qdrant was seen to do, and refuses what it does not know."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from qdrant_client import grpc as messages

from sinks.errors import StoreUnavailable
from support.data.store_points import StoreSite, assert_users_equal, put_users, some_users
from support.qdrant_process import QdrantProcess
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder

pytestmark = pytest.mark.server


class Client:
    """Raw stubs, for requests that the product does not send."""

    def __init__(self, server: QdrantServer) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        self.collections = messages.CollectionsStub(self.channel)
        self.points = messages.PointsStub(self.channel)

    def upsert(self, *points: Any, condition: Any = None) -> Any:
        request = messages.UpsertPoints(
            collection_name="c", wait=True, points=points, update_filter=condition
        )
        return self.points.Upsert(request).result.status

    def payloads(self, *ids: int) -> dict[int, dict[str, int]]:
        request = messages.GetPoints(
            collection_name="c",
            ids=[messages.PointId(num=number) for number in ids],
            with_payload=messages.WithPayloadSelector(enable=True),
        )
        return {
            point.id.num: {name: value.integer_value for name, value in point.payload.items()}
            for point in self.points.Get(request).result
        }


def point(number: int, vector: list[float] | None = None, name: str = "v", **payload: int) -> Any:
    message = messages.PointStruct(id=messages.PointId(num=number))
    message.vectors.vectors.vectors[name].dense.data.extend(vector or [1.0, 0, 0, 0])
    for key, value in payload.items():
        message.payload[key].integer_value = value
    return message


def reached(key: str, limit: int) -> Any:
    """The field is at most that, or not there."""
    condition = messages.Filter()
    low = condition.should.add().field
    low.key, low.range.lte = key, limit
    condition.should.add().is_empty.key = key
    return condition


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantServer]:
    with quick_folder() as folder, QdrantServer(folder) as server:
        request = messages.CreateCollection(collection_name="c")
        params = request.vectors_config.params_map.map["v"]
        params.size, params.distance = 4, messages.Distance.Cosine
        Client(server).collections.Create(request)
        yield server


@pytest.fixture
def client(server: QdrantServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.channel.close()


def fails(code: grpc.StatusCode, call: Any, request: Any) -> None:
    with pytest.raises(grpc.RpcError) as error:
        call(request)
    assert error.value.code() is code, error.value.details()


def test_other_calls_are_refused(client: Client) -> None:
    """Calls that the product does not make are UNIMPLEMENTED."""
    refused = [
        (client.points.UpdateBatch, messages.UpdateBatchPoints(collection_name="c")),
        (client.points.OverwritePayload, messages.SetPayloadPoints(collection_name="c")),
        (client.points.SetPayload, messages.SetPayloadPoints(collection_name="c", wait=True)),
        (client.points.Search, messages.SearchPoints(collection_name="c")),
        (client.points.Facet, messages.FacetCounts(collection_name="c")),
        (client.points.QueryBatch, messages.QueryBatchPoints(collection_name="c")),
        (
            client.collections.ListCollectionAliases,
            messages.ListCollectionAliasesRequest(collection_name="c"),
        ),
        (client.collections.Update, messages.UpdateCollection(collection_name="c")),
        (client.collections.List, messages.ListCollectionsRequest()),
        (messages.QdrantStub(client.channel).HealthCheck, messages.HealthCheckRequest()),
        (messages.SnapshotsStub(client.channel).Create, messages.CreateSnapshotRequest()),
    ]
    for call, request in refused:
        fails(grpc.StatusCode.UNIMPLEMENTED, call, request)


def test_other_fields_are_refused(client: Client) -> None:
    """A field that is not served is UNIMPLEMENTED, however deep, even one that the protocol does not have."""
    deep = messages.ScrollPoints(
        collection_name="c", limit=1, with_payload=messages.WithPayloadSelector(enable=True)
    )
    deep.filter.must.add().nested.key = "k"
    unknown = messages.CountPoints.FromString(
        messages.CountPoints(collection_name="c", exact=True).SerializeToString() + b"\xfa\x3e\x01x"
    )
    unknown_in_point = messages.PointStruct.FromString(point(1).SerializeToString() + b"\xfa\x3e\x01x")
    refused = [
        (client.points.Scroll, deep),
        (client.points.Count, unknown),
        (client.points.Count, messages.CountPoints(collection_name="c")),
        (
            client.points.Upsert,
            messages.UpsertPoints(collection_name="c", wait=True, points=[unknown_in_point]),
        ),
        (client.points.Upsert, messages.UpsertPoints(collection_name="c", points=[point(1)])),
        (client.points.Upsert, messages.UpsertPoints(collection_name="c", wait=True, timeout=3)),
        (client.points.Get, messages.GetPoints(collection_name="c")),
        (client.points.Query, messages.QueryPoints(collection_name="c", score_threshold=0.5)),
        (client.collections.Create, messages.CreateCollection(collection_name="d", on_disk_payload=True)),
    ]
    for call, request in refused:
        fails(grpc.StatusCode.UNIMPLEMENTED, call, request)


def test_wrong_dimension_writes_nothing(client: Client) -> None:
    """A point of another dimension refuses the whole request."""
    with pytest.raises(grpc.RpcError, match="expected dim: 4, got 2") as error:
        client.upsert(point(10), point(11, [1.0, 2.0]))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert client.payloads(10, 11) == {}


def test_wrong_vector_name_writes_a_part(client: Client) -> None:
    """A vector name that is not there is refused when the points before it are written."""
    with pytest.raises(grpc.RpcError, match="vector name") as error:
        client.upsert(point(20), point(21, name="other"), point(22))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert client.payloads(20, 21, 22) == {20: {}}


def test_missing_collection_is_not_found(client: Client) -> None:
    """Any call about a collection that is not there is NOT_FOUND; making one twice is ALREADY_EXISTS."""
    fails(
        grpc.StatusCode.NOT_FOUND, client.points.Upsert, messages.UpsertPoints(collection_name="d", wait=True)
    )
    fails(
        grpc.StatusCode.NOT_FOUND,
        client.collections.Get,
        messages.GetCollectionInfoRequest(collection_name="d"),
    )
    fails(
        grpc.StatusCode.ALREADY_EXISTS,
        client.collections.Create,
        messages.CreateCollection(collection_name="c"),
    )


def test_nan_is_accepted(client: Client) -> None:
    """The server does not look at numbers: that is the client's to do."""
    assert client.upsert(point(30, [math.nan] * 4)) == messages.UpdateStatus.Completed


def test_point_without_vectors_is_refused(client: Client) -> None:
    """A point must bring vectors, if only an empty set of named ones."""
    bare = messages.PointStruct(id=messages.PointId(num=40))
    with pytest.raises(grpc.RpcError) as error:
        client.upsert(bare)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bare.vectors.vectors.SetInParent()
    assert client.upsert(bare) == messages.UpdateStatus.Completed


def test_missing_points_are_left_out(client: Client) -> None:
    """A read answers in order and leaves out what is not there."""
    client.upsert(point(52), point(51))
    assert list(client.payloads(52, 59, 51)) == [52, 51]


def test_conditional_upsert(client: Client) -> None:
    """A condition keeps points that do not meet it, inserts missing ones, and answers Completed anyway."""
    client.upsert(point(60, fence=7), point(61, fence=3), point(62))
    condition = reached("fence", 5)
    written = [point(number, fence=5) for number in (60, 61, 62, 63)]
    assert client.upsert(*written, condition=condition) == messages.UpdateStatus.Completed
    fences = {number: payload["fence"] for number, payload in client.payloads(60, 61, 62, 63).items()}
    assert fences == {60: 7, 61: 5, 62: 5, 63: 5}


def is_number(key: str, number: int) -> Any:
    return messages.Condition(field=messages.FieldCondition(key=key, match=messages.Match(integer=number)))


def among(*ids: int) -> Any:
    return messages.Condition(
        has_id=messages.HasIdCondition(has_id=[messages.PointId(num=number) for number in ids])
    )


def test_modes_of_an_upsert(client: Client) -> None:
    """One mode leaves what is there alone, the other never inserts, with a condition or without; all answer Completed."""
    client.upsert(point(90, n=1), point(91, n=2))
    written = [point(number, n=9) for number in (90, 91, 92)]
    request = messages.UpsertPoints(collection_name="c", wait=True, points=written)
    request.update_mode = messages.UpdateMode.UpdateOnly
    request.update_filter.must.append(is_number("n", 2))
    assert client.points.Upsert(request).result.status == messages.UpdateStatus.Completed
    assert client.payloads(90, 91, 92) == {90: {"n": 1}, 91: {"n": 9}}
    request.ClearField("update_filter")
    request.update_mode = messages.UpdateMode.InsertOnly
    request.points[2].payload["n"].integer_value = 7
    assert client.points.Upsert(request).result.status == messages.UpdateStatus.Completed
    assert client.payloads(90, 91, 92) == {90: {"n": 1}, 91: {"n": 9}, 92: {"n": 7}}
    request.update_mode = messages.UpdateMode.UpdateOnly
    client.points.Upsert(request)
    assert client.payloads(90, 91, 92) == {90: {"n": 9}, 91: {"n": 9}, 92: {"n": 7}}
    request.update_mode = 7
    fails(grpc.StatusCode.INVALID_ARGUMENT, client.points.Upsert, request)


def test_payload_is_set_by_a_filter(client: Client) -> None:
    """Only the points that the filter chooses get the fields, all others of theirs stay, and none is inserted."""
    client.upsert(point(100, n=1, owner=5), point(101, n=2), point(102, n=3, owner=6))
    chosen = messages.Filter(must=[among(100, 101, 102, 103)], must_not=[is_number("owner", 6)])
    request = messages.SetPayloadPoints(
        collection_name="c",
        wait=True,
        payload={"owner": messages.Value(integer_value=7)},
        points_selector=messages.PointsSelector(filter=chosen),
    )
    assert client.points.SetPayload(request).result.status == messages.UpdateStatus.Completed
    assert client.payloads(100, 101, 102, 103) == {
        100: {"n": 1, "owner": 7},
        101: {"n": 2, "owner": 7},
        102: {"n": 3, "owner": 6},
    }


def test_points_are_counted_by_id_and_number(client: Client) -> None:
    """A count looks at the ids that are asked for and at nothing else."""
    client.upsert(*[point(number, owner=number % 2) for number in range(110, 120)])
    asked = messages.Filter(must=[among(110, 111, 113, 999), is_number("owner", 1)])
    request = messages.CountPoints(collection_name="c", exact=True, filter=asked)
    assert client.points.Count(request).result.count == 2


def test_late_requests(server: QdrantServer, client: Client) -> None:
    """A request may be answered as failed at once and be carried out later, one by one or a share of all."""
    client.upsert(point(120, n=1))
    server.late_next(2, "Upsert")
    for number in (2, 3):
        with pytest.raises(grpc.RpcError, match="asked to be late"):
            client.upsert(point(120, n=number))
    assert client.payloads(120) == {120: {"n": 1}}
    assert server.release_late() == 2 and server.release_late() == 0
    assert client.payloads(120) == {120: {"n": 3}}
    server.late_share, server.late_s = 1.0, 0.1
    try:
        with pytest.raises(grpc.RpcError, match="asked to be late"):
            client.upsert(point(120, n=4))
    finally:
        server.late_share, server.late_s = 0.0, 0.6
    deadline = time.monotonic() + 20
    while client.payloads(120) != {120: {"n": 4}}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_share_of_requests_fails(folder: Path) -> None:
    """With a share of failures some requests fail, and those that are retried get through."""
    with QdrantServer(folder) as server, StoreSite(server.url).open() as store:
        server.fail_share = 0.5
        failed = 0
        for _ in range(40):
            try:
                store.check()
            except Exception:
                failed += 1
        assert 8 <= failed <= 32


def test_indexes_tell_their_type(client: Client) -> None:
    """Indexes of keywords and of integers can be made, again too; other types are refused."""
    kinds = {
        "word": messages.FieldType.FieldTypeKeyword,
        "number": messages.FieldType.FieldTypeInteger,
    }
    for name, kind in [*kinds.items(), *kinds.items()]:
        request = messages.CreateFieldIndexCollection(
            collection_name="c", wait=True, field_name=name, field_type=kind
        )
        assert client.points.CreateFieldIndex(request).result.status == messages.UpdateStatus.Completed
    answer = client.collections.Get(messages.GetCollectionInfoRequest(collection_name="c"))
    types = {name: field.data_type for name, field in answer.result.payload_schema.items()}
    assert types == {"word": messages.PayloadSchemaType.Keyword, "number": messages.PayloadSchemaType.Integer}
    for kind in (messages.FieldType.FieldTypeFloat, None):
        request = messages.CreateFieldIndexCollection(
            collection_name="c", wait=True, field_name="other", field_type=kind
        )
        fails(grpc.StatusCode.UNIMPLEMENTED, client.points.CreateFieldIndex, request)


def test_last_of_one_id_wins(client: Client) -> None:
    """Of several points with one id in a request the last is kept, under a condition too."""
    condition = messages.Filter(must=[messages.Condition(is_empty=messages.IsEmptyCondition(key="fence"))])
    client.upsert(point(70, n=1), point(71, n=5), point(70, n=2), condition=condition)
    assert client.payloads(70, 71) == {70: {"n": 2}, 71: {"n": 5}}


def test_null_counts_as_missing_and_text_is_never_low(client: Client) -> None:
    """A fence that is null lets a write in; one that is text keeps every write out."""
    for number, value in ((80, messages.Value(null_value=0)), (81, messages.Value(string_value="3"))):
        odd = point(number)
        odd.payload["fence"].CopyFrom(value)
        client.upsert(odd)
    client.upsert(point(80, fence=5), point(81, fence=5), condition=reached("fence", 5))
    assert client.payloads(80, 81) == {80: {"fence": 5}, 81: {"fence": 0}}


def test_runs_as_a_program(folder: Path) -> None:
    """The server runs as a process of its own, on the port asked for; killed, it loses nothing it answered."""
    points = some_users(["a", "b"])
    with QdrantProcess(folder, "k") as process:
        first = process.url
        with StoreSite(process.url, {"api_key": "k"}).open() as store:
            put_users(store.users, points)
        process.kill()
        assert process.start().url == first
        with StoreSite(process.url, {"api_key": "k"}).open(create=False) as store:
            assert_users_equal(store.users.read(["a", "b"]), points)


def test_faults_of_a_program(folder: Path) -> None:
    """A running program can be told to fail, to be slow, and be frozen; what it does not know it refuses."""
    with QdrantProcess(folder) as process, StoreSite(process.url, {"timeout_s": 0.5}).open() as store:
        process.faults(fail_next=1, code="INTERNAL")
        with pytest.raises(StoreUnavailable, match="INTERNAL"):
            store.check()
        process.faults(fail_share=1.0)
        with pytest.raises(StoreUnavailable, match="asked to fail"):
            store.check()
        process.faults(fail_share=0, delay_s=2)
        with pytest.raises(StoreUnavailable, match="no answer"):
            store.check()
        process.faults(delay_s=0)
        process.freeze()
        with pytest.raises(StoreUnavailable, match="no answer"):
            store.check()
        process.thaw()
        with pytest.raises(ValueError, match="speed"):
            process.faults(speed=1)
        process.faults(late_next=1, method="Upsert")
        with pytest.raises(StoreUnavailable, match="asked to be late"):
            store.blobs.put("name", b"late")
        assert store.blobs.get("name") is None
        assert process.faults(release_late=True)["released"] == 1
        assert store.blobs.get("name") == b"late"
        store.check()
        assert process.faults()["calls"]["Upsert"] >= 1


def alias(name: str, collection: str) -> Any:
    create = messages.CreateAlias(alias_name=name, collection_name=collection)
    return messages.AliasOperations(create_alias=create)


def test_aliases_lead_to_collections(client: Client) -> None:
    """An alias stands for its collection in every call; setting it again moves it; deleting the collection drops it."""
    for name in ("first", "second"):
        request = messages.CreateCollection(collection_name=name)
        params = request.vectors_config.params_map.map["v"]
        params.size, params.distance = 4, messages.Distance.Cosine
        client.collections.Create(request)

    def count(name: str) -> int:
        return client.points.Count(messages.CountPoints(collection_name=name, exact=True)).result.count

    client.points.Upsert(messages.UpsertPoints(collection_name="second", wait=True, points=[point(1)]))
    client.collections.UpdateAliases(messages.ChangeAliases(actions=[alias("a", "first")]))
    assert count("a") == 0
    client.collections.UpdateAliases(messages.ChangeAliases(actions=[alias("a", "second")]))
    assert count("a") == 1
    info = client.collections.Get(messages.GetCollectionInfoRequest(collection_name="a"))
    assert info.result.points_count == 1
    fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        client.collections.Create,
        messages.CreateCollection(collection_name="a"),
    )
    fails(
        grpc.StatusCode.ALREADY_EXISTS,
        client.collections.UpdateAliases,
        messages.ChangeAliases(actions=[alias("first", "second")]),
    )
    bad = messages.ChangeAliases(actions=[alias("a", "first"), alias("b", "absent")])
    fails(grpc.StatusCode.NOT_FOUND, client.collections.UpdateAliases, bad)
    assert count("a") == 0, "the actions before a bad one stay"
    for name in ("first", "second"):
        deleted = client.collections.Delete(messages.DeleteCollection(collection_name=name))
        assert deleted.result
    assert not client.collections.Delete(messages.DeleteCollection(collection_name="first")).result
    listed = client.collections.ListAliases(messages.ListAliasesRequest()).aliases
    assert not [found for found in listed if found.alias_name == "a"]
