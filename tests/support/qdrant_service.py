"""Collections and points as the test server serves them, over qdrant-edge."""

from __future__ import annotations

import copy
import json
import shutil
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import qdrant_edge as edge
from qdrant_client import grpc as messages

from support.qdrant_replicas import ReplicatedShard
from support.qdrant_requests import (
    Refused,
    found,
    from_key,
    invalid,
    optional_filter,
    to_filter,
    to_json,
    to_key,
    unimplemented,
)

MODES = {
    messages.UpdateMode.Upsert: edge.UpdateMode.Upsert,
    messages.UpdateMode.InsertOnly: edge.UpdateMode.InsertOnly,
    messages.UpdateMode.UpdateOnly: edge.UpdateMode.UpdateOnly,
}
INDEXES = {
    messages.FieldType.FieldTypeKeyword: edge.PayloadSchemaType.Keyword,
    messages.FieldType.FieldTypeInteger: edge.PayloadSchemaType.Integer,
}


def served_type(kind: edge.PayloadSchemaType) -> Any:
    return messages.PayloadSchemaType.Value(str(kind).rpartition(".")[2])


class ServedCollection:
    """A shard and the request that it was created by."""

    def __init__(self, folder: Path, created: Any | None = None) -> None:
        described = folder / "created.bin"
        if created is None:
            self.created = messages.CreateCollection.FromString(described.read_bytes())
            shards = [edge.EdgeShard.load(str(folder / shard)) for shard in self._replicas()]
        else:
            self.created = created
            shutil.rmtree(folder, ignore_errors=True)
            for shard in self._replicas():
                (folder / shard).mkdir(parents=True)
            shards = [
                edge.EdgeShard.create(str(folder / shard), self._config()) for shard in self._replicas()
            ]
            described.write_bytes(created.SerializeToString())
        self.shard: Any = shards[0] if len(shards) == 1 else ReplicatedShard(shards)
        self.updating: Any = threading.Lock()
        self.params = dict(self.created.vectors_config.params_map.map)

    def _replicas(self) -> list[str]:
        """Folders of the replicas of the one shard that there is, whatever number was asked for."""
        return ["shard", *(f"replica-{n}" for n in range(2, self.created.replication_factor + 1))]

    def asked(self, request: Any) -> ServedCollection:
        """The collection as the request asks for it: with one replica it makes no difference."""
        if not isinstance(self.shard, ReplicatedShard):
            return self
        view = copy.copy(self)
        view.shard = self.shard.asked(request)
        view.updating = nullcontext()
        return view

    def _config(self) -> edge.EdgeConfig:
        def graph(message: Any) -> edge.HnswIndexConfig | None:
            if not message.HasField("hnsw_config"):
                return None
            return edge.HnswIndexConfig(message.hnsw_config.m, 100, 10_000)

        maxsim = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
        vectors = {
            name: edge.EdgeVectorParams(
                params.size,
                getattr(edge.Distance, messages.Distance.Name(params.distance)),
                multivector_config=maxsim if params.HasField("multivector_config") else None,
                hnsw_config=graph(params),
            )
            for name, params in self.created.vectors_config.params_map.map.items()
        }
        given = {field.name: value for field, value in self.created.optimizers_config.ListFields()}
        return edge.EdgeConfig(
            vectors, hnsw_config=graph(self.created), optimizers=edge.EdgeOptimizersConfig(**given)
        )

    def point(self, message: Any) -> tuple[edge.Point, bool]:
        """The engine's point, and whether its vector names exist; a wrong dimension is refused."""
        if not message.HasField("vectors"):
            raise invalid("Expected some vectors")
        vectors: dict[str, Any] = {}
        known = True
        for name, vector in message.vectors.vectors.vectors.items():
            params = self.params.get(name)
            if params is None:
                known = False
                continue
            multi = params.HasField("multivector_config")
            if multi != (vector.WhichOneof("vector") == "multi_dense"):
                raise unimplemented("single vectors for multivectors, or the other way round")
            rows = (
                [list(row.data) for row in vector.multi_dense.vectors] if multi else [list(vector.dense.data)]
            )
            for row in rows:
                if len(row) != params.size:
                    raise invalid(f"Vector dimension error: expected dim: {params.size}, got {len(row)}")
            if not rows:
                raise invalid("Vector dimension error: a multivector without rows")
            vectors[name] = rows if multi else rows[0]
        payload = {name: to_json(value) for name, value in message.payload.items()}
        return edge.Point(to_key(message.id), vectors, payload), known


class Service(messages.PointsServicer):
    """The points' service, and what the collections' one needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.update_status = messages.UpdateStatus.Completed
        self.replicas = 1
        self.by_default = False
        self._creating = threading.Lock()
        self._collections = {
            path.parent.name: ServedCollection(path.parent) for path in folder.glob("*/created.bin")
        }
        self._aliases_file = folder / "aliases.json"
        self._aliases: dict[str, str] = (
            json.loads(self._aliases_file.read_bytes()) if self._aliases_file.exists() else {}
        )

    def close(self) -> None:
        for collection in self._collections.values():
            collection.shard.close()

    def collection(self, name: str) -> ServedCollection:
        return self._collections[name]

    def unordered_updates(self) -> dict[str, int]:
        shards = {name: collection.shard for name, collection in self._collections.items()}
        return {
            name: shard.unordered
            for name, shard in shards.items()
            if isinstance(shard, ReplicatedShard) and shard.unordered
        }

    def _named(self, request: Any) -> ServedCollection:
        name = self._aliases.get(request.collection_name, request.collection_name)
        if name not in self._collections:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
        return self._collections[name].asked(request)

    def Create(self, request: Any, context: Any) -> Any:
        name = request.collection_name
        with self._creating:
            if name in self._collections:
                message = f"Wrong input: Collection `{name}` already exists!"
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, message)
            if name in self._aliases:
                raise invalid(
                    f"Can't create collection with name {name}. Alias with the same name already exists"
                )
            if not request.HasField("replication_factor"):
                request.replication_factor = self.replicas
            collection = self._collections[name] = ServedCollection(self._folder / name, request)
            if isinstance(collection.shard, ReplicatedShard):
                collection.shard.by_default = self.by_default
        return messages.CollectionOperationResponse(result=True)

    def DeleteCollection(self, request: Any, context: Any) -> Any:
        name = request.collection_name  # an alias is not followed here
        with self._creating:
            self._set_aliases({alias: to for alias, to in self._aliases.items() if to != name})
            collection = self._collections.pop(name, None)
            if collection is not None:
                collection.shard.close()
                shutil.rmtree(self._folder / name)
        return messages.CollectionOperationResponse(result=collection is not None)

    def UpdateAliases(self, request: Any, context: Any) -> Any:
        # Readers see all of a request or nothing; but those before a bad action stay, as with the real server.
        with self._creating:
            aliases = dict(self._aliases)
            try:
                for action in request.actions:
                    if action.HasField("delete_alias"):
                        aliases.pop(action.delete_alias.alias_name, None)
                        continue
                    wanted = action.create_alias
                    if wanted.collection_name not in self._collections:
                        missing = f"Not found: Collection `{wanted.collection_name}` doesn't exist!"
                        raise Refused(grpc.StatusCode.NOT_FOUND, missing)
                    if wanted.alias_name in self._collections:
                        message = f"Wrong input: Collection `{wanted.alias_name}` already exists!"
                        raise Refused(grpc.StatusCode.ALREADY_EXISTS, message)
                    aliases[wanted.alias_name] = wanted.collection_name
            finally:
                self._set_aliases(aliases)
        return messages.CollectionOperationResponse(result=True)

    def ListAliases(self, request: Any, context: Any) -> Any:
        described = [
            messages.AliasDescription(alias_name=alias, collection_name=name)
            for alias, name in self._aliases.items()
        ]
        return messages.ListAliasesResponse(aliases=described)

    def _set_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self._aliases:
            draft = self._aliases_file.with_suffix(".new")
            draft.write_text(json.dumps(aliases))
            draft.replace(self._aliases_file)
            self._aliases = aliases

    def info(self, request: Any, context: Any) -> Any:
        collection = self._named(request)
        info = messages.CollectionInfo(status=messages.CollectionStatus.Green)
        info.config.params.vectors_config.CopyFrom(collection.created.vectors_config)
        info.config.params.shard_number = collection.created.shard_number or 1
        info.config.params.replication_factor = collection.created.replication_factor or 1
        info.config.params.write_consistency_factor = collection.created.write_consistency_factor or 1
        info.config.optimizer_config.CopyFrom(collection.created.optimizers_config)
        shard = collection.shard.info()
        info.points_count = shard.points_count
        for name, field in shard.payload_schema.items():
            info.payload_schema[name].data_type = served_type(field.data_type)
        return messages.GetCollectionInfoResponse(result=info)

    def cluster_info(self, request: Any, context: Any) -> Any:
        """Every replica is on a node of its own; the first one is here."""
        created = self._named(request).created
        shards = created.shard_number or 1
        answer = messages.CollectionClusterInfoResponse(peer_id=1, shard_count=shards)
        for shard in range(shards):
            answer.local_shards.add(shard_id=shard, state=messages.ReplicaState.Active)
            for peer in range(2, (created.replication_factor or 1) + 1):
                answer.remote_shards.add(shard_id=shard, peer_id=peer, state=messages.ReplicaState.Active)
        return answer

    def CreateFieldIndex(self, request: Any, context: Any) -> Any:
        kind = INDEXES.get(request.field_type) if request.HasField("field_type") else None
        if kind is None:
            raise unimplemented("indexes of other types than keyword and integer")
        return self._updated(request, edge.UpdateOperation.create_field_index(request.field_name, kind))

    def Upsert(self, request: Any, context: Any) -> Any:
        collection = self._named(request)
        # Dimensions are looked at before anything is written, names only on the way.
        points = [collection.point(message) for message in request.points]
        known = [point for point, names_exist in points if names_exist]
        before_unknown = next((at for at, (_, exist) in enumerate(points) if not exist), len(points))
        condition = optional_filter(request, "update_filter")
        mode = MODES.get(request.update_mode)
        if mode is None:
            raise invalid(f"Unknown update mode: {request.update_mode}")
        operation = edge.UpdateOperation.upsert_points(known[:before_unknown], condition, mode)
        answer = self._updated(request, operation)
        if before_unknown < len(points):
            raise invalid("Not existing vector name error")
        return answer

    def SetPayload(self, request: Any, context: Any) -> Any:
        if request.points_selector.WhichOneof("points_selector_one_of") != "filter":
            raise unimplemented("payloads set otherwise than by a filter")
        fields = {name: to_json(value) for name, value in request.payload.items()}
        chosen = to_filter(request.points_selector.filter)
        return self._updated(request, edge.UpdateOperation.set_payload_by_filter(chosen, fields))

    def Delete(self, request: Any, context: Any) -> Any:
        if request.points.WhichOneof("points_selector_one_of") == "filter":
            chosen = to_filter(request.points.filter)
            return self._updated(request, edge.UpdateOperation.delete_points_by_filter(chosen))
        keys = [to_key(point_id) for point_id in request.points.points.ids]
        return self._updated(request, edge.UpdateOperation.delete_points(keys))

    def _updated(self, request: Any, operation: edge.UpdateOperation) -> Any:
        if not request.wait:
            raise unimplemented("updates without wait")
        collection = self._named(request)
        # A condition is looked at and the points are written as one step, as under the real server's lock.
        with collection.updating:
            collection.shard.update(operation)
        result = messages.UpdateResult(operation_id=1, status=self.update_status)
        return messages.PointsOperationResponse(result=result)

    def Get(self, request: Any, context: Any) -> Any:
        keys = list(dict.fromkeys(to_key(point_id) for point_id in request.ids))
        records = self._named(request).shard.retrieve(keys, *selectors(request))
        by_key = {record.id: record for record in records}
        return messages.GetResponse(
            result=[found(messages.RetrievedPoint, by_key[key]) for key in keys if key in by_key]
        )

    def Scroll(self, request: Any, context: Any) -> Any:
        with_payload, with_vectors = selectors(request)
        scroll = edge.ScrollRequest(
            to_key(request.offset) if request.HasField("offset") else None,
            request.limit if request.HasField("limit") else 10,
            optional_filter(request),
            with_payload,
            with_vectors,
        )
        records, following = self._named(request).shard.scroll(scroll)
        answer = messages.ScrollResponse(
            result=[found(messages.RetrievedPoint, record) for record in records]
        )
        if following is not None:
            answer.next_page_offset.CopyFrom(from_key(following))
        return answer

    def Query(self, request: Any, context: Any) -> Any:
        collection = self._named(request)
        if request.using not in collection.params:
            raise invalid(f"Not existing vector name error: {request.using}")
        vector = list(request.query.nearest.dense.data)
        if len(vector) != (size := collection.params[request.using].size):
            raise invalid(f"Vector dimension error: expected dim: {size}, got {len(vector)}")
        query = edge.QueryRequest(
            request.limit if request.HasField("limit") else 10,
            query=edge.Query.Nearest(vector, using=request.using),
            filter=optional_filter(request),
            with_payload=request.with_payload.enable,
        )
        points = collection.shard.query(query)
        return messages.QueryResponse(
            result=[found(messages.ScoredPoint, point, score=point.score) for point in points]
        )

    def Count(self, request: Any, context: Any) -> Any:
        if not request.exact:
            raise unimplemented("counts that are not exact")
        count = self._named(request).shard.count(edge.CountRequest(True, optional_filter(request)))
        return messages.CountResponse(result=messages.CountResult(count=count))


def selectors(request: Any) -> tuple[bool, bool]:
    if not request.HasField("with_payload"):
        raise unimplemented("reads that leave with_payload to the server")
    return request.with_payload.enable, request.with_vectors.enable


class CollectionsOnly(messages.CollectionsServicer):
    """The collections' service: both have methods `Get` and `Delete`, so they are two objects."""

    def __init__(self, service: Service) -> None:
        self.Get = service.info
        self.Create = service.Create
        self.Delete = service.DeleteCollection
        self.UpdateAliases = service.UpdateAliases
        self.ListAliases = service.ListAliases
        self.CollectionClusterInfo = service.cluster_info
