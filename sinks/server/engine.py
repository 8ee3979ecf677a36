"""The server engine: Qdrant by gRPC, through the stubs that qdrant-client generates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from qdrant_client import grpc as messages

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.layout import CollectionSpec, FoundCollection, FoundVector
from sinks.server.channel import ServerChannel, Work
from sinks.server.collection import ServerCollection
from sinks.server.replicas import Replicas, least_acknowledged


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
        present = {alias.alias_name: alias.collection_name for alias in listed.aliases}
        actions = [
            messages.AliasOperations(
                create_alias=messages.CreateAlias(alias_name=alias, collection_name=name)
            )
            for alias, name in wanted.items()
            if present.get(alias) != name
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

    def rewrite(self, spec: CollectionSpec) -> bool:
        """Nothing that a client can do."""
        return False

    @property
    def new(self) -> bool:
        """Other processes may have it by now, whoever made it."""
        return False

    def close(self, remove: bool = False) -> None:
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
