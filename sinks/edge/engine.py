"""The embedded engine: Qdrant in this process (qdrant-edge), one shard per collection, in one folder."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

import qdrant_edge as edge

from sinks.collection import Collection
from sinks.edge.collection import EdgeCollection
from sinks.edge.folder import StoreFolder
from sinks.edge.free_space import FreeSpace
from sinks.edge.rewriting import finish_rewriting, rewrite
from sinks.engine import REPLAY_FIRST
from sinks.errors import StoreError, StoreMismatch
from sinks.layout import CollectionSpec, FoundCollection, FoundVector

EXACT_UP_TO_KB = 256_000
"""Items are searched exactly up to this much of vectors (half a million of 128 dimensions, some 15 ms); only
above it does `optimize` build a graph, which keeps the whole process waiting for minutes."""

_NEW_BYTES = 16 << 20
"""Free for a new collection, whatever `store.min_free_bytes` says: with less the engine ends the process."""


class EdgeEngine:
    """See `sinks.engine.Engine`. Holds the folder's lock from the beginning to `close`."""

    def __init__(self, path: Path, create: bool, min_free_bytes: int = 0) -> None:
        """Claim the folder. Writes wait while less than `min_free_bytes` are free on its disk.

        Raises:
            StoreLocked, StoreMismatch, StoreNotFound: see `StoreFolder.claim`.
        """
        self._folder = StoreFolder.claim(path, create, REPLAY_FIRST)
        self._space = FreeSpace(self._folder.path, min_free_bytes)
        self._open: dict[str, EdgeCollection] = {}
        self._optimized: list[EdgeCollection] = []
        self._created: list[str] = []
        self._closing = threading.Lock()

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folder.path)

    @property
    def exclusive(self) -> bool:
        """The folder's lock lets in one process."""
        return True

    def open(self, spec: CollectionSpec) -> tuple[Collection, FoundCollection] | None:
        """The collection in its sub-folder, None if there is none that is complete."""
        path = self._folder.path / spec.name
        if not self._folder.complete:
            return None
        if spec.name not in self._open:
            finish_rewriting(path)
        if not path.exists():
            return None
        looks = _looks(path)
        if spec.name not in self._open:
            try:
                shard = edge.EdgeShard.load(str(path))
            except Exception as error:
                raise StoreError(
                    f"cannot open {path}: {error}; restore the folder from a backup, or delete it and replay"
                ) from error
            self._keep(spec, shard)
        return self._open[spec.name], looks

    def create(self, spec: CollectionSpec) -> Collection:
        """Create the collection, over what a creation that was cut off may have left."""
        self._space.require(_NEW_BYTES)
        path = self._folder.path / spec.name
        shutil.rmtree(path, ignore_errors=True)
        self._created.append(spec.name)
        try:
            path.mkdir()
            shard = edge.EdgeShard.create(str(path), _config(spec))
        except Exception as error:
            raise StoreError(f"cannot create {path}: {error}") from error
        return self._keep(spec, shard)

    def index(self, spec: CollectionSpec) -> None:
        """Make the payload indexes that the collection lacks."""
        kinds = dict.fromkeys(spec.keywords, edge.PayloadSchemaType.Keyword)
        kinds |= dict.fromkeys(spec.integers, edge.PayloadSchemaType.Integer)
        self._open[spec.name].index(kinds)

    def drop(self, spec: CollectionSpec) -> None:
        """Delete the collection's sub-folder; an absent one is no error."""
        collection = self._open.pop(spec.name, None)
        if collection is not None:
            self._optimized = [other for other in self._optimized if other is not collection]
            collection.close()
        shutil.rmtree(self._folder.path / spec.name, ignore_errors=True)

    def rewrite(self, spec: CollectionSpec) -> bool:
        """Write the collection's sub-folder anew, so that nothing of what was overwritten or deleted stays in it."""
        path, collection = self._folder.path / spec.name, self._open[spec.name]
        self._space.require()
        try:
            with collection.replaced() as replacing:
                rewrite(path, replacing.shard, _config(spec))
                replacing.shard = edge.EdgeShard.load(str(path))
        except Exception as error:
            raise StoreError(f"cannot write {path} anew: {error}; open the store again") from error
        self.index(spec)
        return True

    def expose(self, aliases: Mapping[str, str]) -> None:
        """Nothing to do: no other process can search the folder."""

    def finished(self) -> None:
        """Mark the folder as a complete store, after everything in it is on the disk."""
        for collection in self._open.values():
            collection.flush()
        self._folder.finished()

    def sync(self) -> None:
        """Put everything that was written on the disk."""
        for collection in list(self._open.values()):
            collection.sync()

    def check(self) -> None:
        """Whether the engine answers: it does, until it is closed."""
        for collection in self._open.values():
            collection.count()

    def optimize(self) -> None:
        """Optimize what is searched by vectors; users that are never searched gain nothing by it."""
        for collection in self._optimized:
            collection.optimize()

    @property
    def new(self) -> bool:
        """There was no store in the folder when it was claimed, and it is still held."""
        return self._folder.new and self._folder.held

    def close(self, remove: bool = False) -> None:
        """Flush, close and let other processes in; a second call does nothing.

        remove: delete what was made, too; so does a creation that was cut off.
        """
        with self._closing:
            try:
                while self._open:
                    self._open.popitem()[1].close()
            finally:
                if self._folder.new and (remove or not self._folder.complete):
                    self._folder.remove(self._created)
                self._folder.release()

    def _keep(self, spec: CollectionSpec, shard: edge.EdgeShard) -> EdgeCollection:
        collection = self._open[spec.name] = EdgeCollection(
            shard, spec, self._folder.path / spec.name, self._space
        )
        if spec.indexed:
            self._optimized.append(collection)
        return collection


def _config(spec: CollectionSpec) -> edge.EdgeConfig:
    no_graph = edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000)
    vectors = {
        name: edge.EdgeVectorParams(
            size=vector.dim,
            distance=edge.Distance.Cosine,
            multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
            if vector.multi
            else None,
            hnsw_config=None if vector.graph else no_graph,
        )
        for name, vector in spec.vectors.items()
    }
    threshold = EXACT_UP_TO_KB if spec.indexed else 0
    return edge.EdgeConfig(
        vectors=vectors, optimizers=edge.EdgeOptimizersConfig(indexing_threshold=threshold)
    )


def _looks(path: Path) -> FoundCollection:
    """Read from the file that the engine keeps its configuration in: it has no call for it."""
    file = path / "edge_config.json"
    try:
        config = json.loads(file.read_bytes())
        vectors = {
            name: FoundVector(
                int(vector["size"]), str(vector["distance"]), bool(vector.get("multivector_config"))
            )
            for name, vector in config["vectors"].items()
        }
        optimizers = config.get("optimizers") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreMismatch(
            f"{file} is damaged or of another version of qdrant-edge ({error}); restore the folder from a "
            "backup, or delete it and replay"
        ) from error
    return FoundCollection(
        vectors,
        hides_points=bool(optimizers.get("prevent_unoptimized")),
        how_to_show=f"set optimizers.prevent_unoptimized to false in {file}",
    )
