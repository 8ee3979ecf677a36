"""The server engine: Qdrant by gRPC, through the stubs that qdrant-client generates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from qdrant_client import grpc as messages

from sinks.channel import ServerChannel, Work
from sinks.collection import Collection, Found, Key, Mode, Payload, PointBatch, Where
from sinks.config import StoreConfig
from sinks.errors import ReplicasDiffer, StoreUnavailable
from sinks.layout import CollectionSpec, FoundCollection, FoundVector
from sinks.nodes import RpcMethod
from sinks.replicas import Replicas, least_acknowledged
from sinks.wire import encode_among, encode_count, encode_set_payload, encode_upsert

_PAYLOAD = messages.WithPayloadSelector(enable=True)
_NO_PAYLOAD = messages.WithPayloadSelector(enable=False)
_LONGEST_PAUSE_S = 0.2
_AGREE_S = 2.0
"""So long are replicas given to agree: more than an update takes from one to the next."""


class ServerCollection:
    """See `sinks.collection.Collection`."""

    def __init__(self, channel: ServerChannel, name: str, replicas: Replicas | None = None) -> None:
        """replicas: what is known of them; None where there is one for sure."""
        self._replicas = replicas
        self._channel = channel
        self._name = name
        self._points = messages.PointsStub(channel.grpc)  # type: ignore[no-untyped-call]
        # Those that carry many points, or their ids, are encoded by hand.
        self._upsert = _raw(channel, "Upsert", messages.PointsOperationResponse)
        self._set_payload = _raw(channel, "SetPayload", messages.PointsOperationResponse)
        self._count = _raw(channel, "Count", messages.CountResponse)

    @property
    def name(self) -> str:
        """As the server knows it."""
        return self._name

    def upsert(self, *batches: PointBatch, where: Where | None = None, mode: Mode = Mode.EITHER) -> None:
        """Replace or insert whole points; returns after the server applied them."""
        request = encode_upsert(self._name, batches, encode_condition(where), mode)
        points = sum(len(batch.keys) for batch in batches)
        work = Work("writing to", self._name, points, len(request))
        self._applied(self._upsert, request, work)

    def set_payload(self, fields: Payload, where: Where) -> None:
        """Set these fields of all points that match; returns after the server applied it."""
        request = encode_set_payload(self._name, fields, encode_condition(where) or b"")
        points = 0 if where.among is None else len(where.among)
        work = Work("changing points of", self._name, points, len(request))
        self._applied(self._set_payload, request, work)

    def delete(self, keys: Sequence[Key]) -> None:
        """Remove points; absent ones are no error."""
        request = messages.DeletePoints(
            collection_name=self._name,
            wait=True,
            points=messages.PointsSelector(points=messages.PointsIdsList(ids=_ids(keys))),
        )
        self._applied(self._points.Delete, request, Work("deleting from", self._name, len(keys)))

    def retrieve(self, keys: Sequence[Key], with_vectors: bool, settled: bool = True) -> list[Found]:
        """Those of the points that exist, in any order.

        Where replicas differ on a settled read's points for the moment, it is repeated until they agree. Of what is left
        out then any replica is asked, and what it has not is absent: one that failed to take a write is out of service
        before that is acknowledged, so each that answers has some version of all that ever was.

        Raises:
            ReplicasDiffer: they go on to differ.
        """
        work = Work("reading from", self._name, len(keys))
        found = self._get(keys, _PAYLOAD, with_vectors, settled, work)
        if not settled or self._replicas is None or not self._replicas.settles:
            return found
        deadline, pause_s = time.monotonic() + min(self._channel.timeout_s, _AGREE_S), 0.005
        missing = set(keys) - {point.key for point in found}
        while missing and (there := self._get(list(missing), _NO_PAYLOAD, False, False, work)):
            if time.monotonic() + pause_s > deadline:
                # A node that has a replica answers by that one; perhaps another one's is the one to go on from.
                self._channel.turn_away()
                raise ReplicasDiffer(
                    f"the replicas go on to differ on {len(there)} points: {work} at {self._channel.location}; if "
                    "this lasts, see docs/cluster.md"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            agreed = self._get([point.key for point in there], _PAYLOAD, with_vectors, True, work)
            found += agreed
            missing -= {point.key for point in agreed}
        return found

    def _get(
        self, keys: Sequence[Key], payload: Any, with_vectors: bool, settled: bool, work: Work
    ) -> list[Found]:
        request = messages.GetPoints(
            collection_name=self._name,
            ids=_ids(keys),
            with_payload=payload,
            with_vectors=messages.WithVectorsSelector(enable=with_vectors),
        )
        answer = self._answer(self._points.Get, request, work, settled)
        return [_found(point) for point in answer.result]

    def scroll(
        self, limit: int, after: Key | None, where: Where | None, with_vectors: bool
    ) -> tuple[list[Found], Key | None]:
        """A page in order of keys, and where the next one begins."""
        request = messages.ScrollPoints(
            collection_name=self._name,
            limit=limit,
            offset=None if after is None else _id(after),
            filter=_filter(where),
            with_payload=_PAYLOAD,
            with_vectors=messages.WithVectorsSelector(enable=with_vectors),
        )
        answer = self._answer(self._points.Scroll, request, Work("scanning", self._name, limit))
        following = _key(answer.next_page_offset) if answer.HasField("next_page_offset") else None
        return [_found(point) for point in answer.result], following

    def search(
        self, vector_name: str, vector: NDArray[np.float32], k: int, where: Where | None
    ) -> list[Found]:
        """The `k` nearest points with their scores, best first."""
        nearest = messages.VectorInput(dense=messages.DenseVector(data=vector.tolist()))
        request = messages.QueryPoints(
            collection_name=self._name,
            query=messages.Query(nearest=nearest),
            using=vector_name,
            filter=_filter(where),
            limit=k,
            with_payload=_PAYLOAD,
        )
        answer = self._answer(self._points.Query, request, Work("searching", self._name))
        return [_found(point, point.score) for point in answer.result]

    def count(self, where: Where | None = None, settled: bool = True) -> int:
        """How many points there are that match, exactly."""
        request = encode_count(self._name, encode_condition(where))
        work = Work("counting", self._name)
        return int(self._answer(self._count, request, work, settled).result.count)

    def index(self, field: str, kind: Any) -> None:
        """Index a payload field; nothing changes if it is indexed."""
        request = messages.CreateFieldIndexCollection(
            collection_name=self._name,
            wait=True,
            field_name=field,
            field_type=kind,
        )
        self._applied(self._points.CreateFieldIndex, request, Work(f"indexing {field} of", self._name))

    def _answer(self, method: RpcMethod[Any], request: Any, work: Work, settled: bool = False) -> Any:
        if settled and self._replicas is not None:
            request = self._replicas.settled(method, request)
        return self._channel.call(method, request, work)

    def _applied(self, method: RpcMethod[Any], request: Any, work: Work) -> None:
        self._channel.writes = True
        if self._replicas is not None:
            request = self._replicas.update(method, request)
        # A server may answer without an error and yet not have applied the points (WaitTimeout).
        status = self._answer(method, request, work).result.status
        if status != messages.UpdateStatus.Completed:
            name = messages.UpdateStatus.Name(status)
            raise StoreUnavailable(f"not confirmed ({name}): {work} at {self._channel.location}")


def _raw(channel: ServerChannel, method: str, answer: Any) -> RpcMethod[Any]:
    """A method of the points' service that takes the bytes of a request."""
    return channel.grpc.unary_unary(
        f"/qdrant.Points/{method}", request_serializer=None, response_deserializer=answer.FromString
    )


class ServerEngine:
    """See `sinks.engine.Engine`."""

    def __init__(self, url: str, config: StoreConfig, writing: bool = True) -> None:
        """Prepare the connection; nothing is sent yet.

        url: of the server, or those of a cluster's nodes with commas between.
        writing: whether to expect that something will be written, from the first read on.

        Raises:
            StoreError: a URL or the CA file cannot be used.
        """
        self._channel = ServerChannel(url, config)
        self._channel.writes = writing
        self._config = config
        self._prefix = config.prefix
        self._opened: dict[str, ServerCollection] = {}
        self._collections = messages.CollectionsStub(self._channel.grpc)  # type: ignore[no-untyped-call]

    @property
    def location(self) -> str:
        """The URL, without secrets."""
        return self._channel.location

    @property
    def exclusive(self) -> bool:
        """A server takes anybody with the key."""
        return False

    def open(self, spec: CollectionSpec) -> tuple[Collection, FoundCollection] | None:
        """The collection and how it looks, None if there is none."""
        name = self._prefix + spec.name
        info = self._info(name)
        if info is None:
            return None
        return self._collection(name), _looks(name, info)

    def create(self, spec: CollectionSpec) -> Collection:
        """Create the collection, or open it if another process was faster."""
        name = self._prefix + spec.name
        request = messages.CreateCollection(
            collection_name=name,
            vectors_config=messages.VectorsConfig(
                params_map=messages.VectorParamsMap(map={key: _params(spec, key) for key in spec.vectors})
            ),
        )
        if not spec.indexed:
            # Rewritten all the time and read by id: without this the server keeps rebuilding segments.
            request.optimizers_config.indexing_threshold = 0
            request.hnsw_config.m = 0
        config, self._channel.writes = self._config, True
        if config.shards is not None:
            request.shard_number = config.shards
        if config.replicas is not None:
            request.replication_factor = config.replicas
            request.write_consistency_factor = least_acknowledged(config.replicas)
        if config.write_consistency is not None:
            request.write_consistency_factor = config.write_consistency
        self._channel.call(
            self._collections.Create,
            request,
            Work("creating", name),
            allowed=grpc.StatusCode.ALREADY_EXISTS,
        )
        return self._collection(name)

    def index(self, spec: CollectionSpec) -> None:
        """Make the payload indexes that the collection lacks."""
        name = self._prefix + spec.name
        info = self._info(name)
        indexed = info.payload_schema if info is not None else {}
        kinds = dict.fromkeys(spec.keywords, messages.FieldType.FieldTypeKeyword)
        kinds |= dict.fromkeys(spec.integers, messages.FieldType.FieldTypeInteger)
        for field, kind in kinds.items():
            if field not in indexed:
                self._collection(name).index(field, kind)

    def drop(self, spec: CollectionSpec) -> None:
        """Delete the collection; an absent one is no error."""
        name = self._prefix + spec.name
        self._opened.pop(name, None)
        request = messages.DeleteCollection(collection_name=name)
        self._channel.call(
            self._collections.Delete, request, Work("deleting", name), allowed=grpc.StatusCode.NOT_FOUND
        )

    def expose(self, aliases: Mapping[str, str]) -> None:
        """Let each alias lead to its collection, in one request: the server switches all of them under one lock."""
        wanted = {self._prefix + alias: self._prefix + name for alias, name in aliases.items()}
        listed: Any = self._channel.call(
            self._collections.ListAliases,
            messages.ListAliasesRequest(),
            Work("listing aliases of", self._prefix),
        )
        there = {alias.alias_name: alias.collection_name for alias in listed.aliases}
        actions = [
            messages.AliasOperations(
                create_alias=messages.CreateAlias(alias_name=alias, collection_name=name)
            )
            for alias, name in wanted.items()
            if there.get(alias) != name
        ]
        if actions:
            request = messages.ChangeAliases(actions=actions)
            work = Work("switching aliases to", ", ".join(wanted.values()))
            self._channel.call(self._collections.UpdateAliases, request, work)

    def finished(self) -> None:
        """Nothing to do: the identity in the meta collection says it."""

    def sync(self) -> None:
        """Nothing to do: what a server has acknowledged is its to keep."""

    def check(self) -> None:
        """Whether the server answers, and takes the key."""
        self._info(f"{self._prefix}meta")

    def optimize(self) -> None:
        """Nothing to do: a server optimizes by itself."""

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _collection(self, name: str) -> ServerCollection:
        if name not in self._opened:
            expected = self._config.replicas or 1
            replicas = Replicas(self._channel, name, self._config.write_ordering, expected)
            self._opened[name] = ServerCollection(self._channel, name, replicas)
        return self._opened[name]

    def _info(self, name: str) -> Any:
        request = messages.GetCollectionInfoRequest(collection_name=name)
        answer = self._channel.call(
            self._collections.Get, request, Work("looking at", name), allowed=grpc.StatusCode.NOT_FOUND
        )
        return None if answer is None else answer.result


def _params(spec: CollectionSpec, name: str) -> Any:
    vector = spec.vectors[name]
    params = messages.VectorParams(size=vector.dim, distance=messages.Distance.Cosine)
    if not vector.graph:
        params.hnsw_config.m = 0
    if vector.multi:
        params.multivector_config.comparator = messages.MultiVectorComparator.MaxSim
    return params


def _looks(name: str, info: Any) -> FoundCollection:
    vectors = {
        vector: FoundVector(
            int(params.size),
            messages.Distance.Name(params.distance),
            params.HasField("multivector_config"),
        )
        for vector, params in info.config.params.vectors_config.params_map.map.items()
    }
    return FoundCollection(
        vectors,
        hides_points=info.config.optimizer_config.prevent_unoptimized,
        how_to_show=(
            f"switch it off: PATCH /collections/{name} with "
            '{"optimizers_config": {"prevent_unoptimized": false}}'
        ),
    )


def _id(key: Key) -> Any:
    return messages.PointId(num=key) if isinstance(key, int) else messages.PointId(uuid=key)


def _ids(keys: Sequence[Key]) -> list[Any]:
    return [_id(key) for key in keys]


def _key(point_id: Any) -> Key:
    return point_id.num if point_id.WhichOneof("point_id_options") == "num" else str(point_id.uuid)


def _filter(where: Where | None) -> Any:
    if where is None or where.everything:
        return None
    must = [
        messages.Condition(field=messages.FieldCondition(key=field, match=_match(values)))
        for field, values in where.equals.items()
    ]
    must += [_at_most(field, limit) for field, limit in where.at_most.items()]
    must += [_is(field, value) for field, value in where.exactly.items()]
    if where.among is not None:
        must.append(messages.Condition(has_id=messages.HasIdCondition(has_id=_ids(where.among))))
    if where.any_of:
        either = [messages.Condition(filter=_filter(one) or messages.Filter()) for one in where.any_of]
        must.append(messages.Condition(filter=messages.Filter(should=either)))
    must_not = [_is(field, value) for field, value in where.other_than.items()]
    if where.without:
        must_not.append(messages.Condition(has_id=messages.HasIdCondition(has_id=_ids(where.without))))
    return messages.Filter(must=must, must_not=must_not)


def encode_condition(where: Where | None) -> bytes | None:
    """The bytes of the Filter message; None where every point matches."""
    if where is None:
        return None
    rest = _filter(replace(where, among=None))
    encoded: bytes = b"" if rest is None else rest.SerializeToString()
    if where.among is not None:
        return encoded + encode_among(where.among)
    return encoded or None


def _is(field: str, value: int) -> Any:
    return messages.Condition(field=messages.FieldCondition(key=field, match=messages.Match(integer=value)))


def _at_most(field: str, limit: int) -> Any:
    low = messages.FieldCondition(key=field, range=messages.Range(lte=limit))
    absent = messages.IsEmptyCondition(key=field)
    either = [messages.Condition(field=low), messages.Condition(is_empty=absent)]
    return messages.Condition(filter=messages.Filter(should=either))


def _match(values: tuple[str, ...]) -> Any:
    if len(values) == 1:
        return messages.Match(keyword=values[0])
    return messages.Match(keywords=messages.RepeatedStrings(strings=values))


def _found(point: Any, score: float = 0.0) -> Found:
    vectors = {name: _rows(vector) for name, vector in point.vectors.vectors.vectors.items()}
    payload = {name: _json(value) for name, value in point.payload.items()}
    return Found(_key(point.id), payload, vectors, score)


def _rows(vector: Any) -> NDArray[np.float32]:
    kind = vector.WhichOneof("vector")
    if kind == "dense":
        return _floats(vector.dense)
    if kind == "multi_dense":
        return np.stack([_floats(row) for row in vector.multi_dense.vectors])
    # The form of older servers: one flat list, with the number of rows for a multivector.
    flat = np.fromiter(vector.data, np.float32, len(vector.data))
    return flat.reshape(vector.vectors_count, -1) if vector.HasField("vectors_count") else flat


def _floats(dense: Any) -> NDArray[np.float32]:
    # A DenseVector's bytes end in its packed floats: one copy instead of one Python float for each.
    raw = dense.SerializeToString()
    count = len(dense.data)
    return np.frombuffer(raw, "<f4", count, offset=len(raw) - 4 * count).astype(np.float32)


def _json(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {name: _json(item) for name, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_json(item) for item in value.list_value.values]
    if kind in (None, "null_value"):
        return None
    return getattr(value, kind)
