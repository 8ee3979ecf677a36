"""A collection of the embedded engine: one shard."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from sinks.collection import Found, Key, Payload, PointBatch, Where, WriteMode
from sinks.edge.filters import edge_filter
from sinks.edge.free_space import FreeSpace
from sinks.edge.points import edge_key, edge_points, found_point, unpack_payload
from sinks.errors import StoreError
from sinks.layout import CollectionSpec

Answer = TypeVar("Answer")

FLUSH_EVERY_BYTES = 16 << 20
"""The write-ahead log is replayed on opening and shortened by a flush; this bounds both. A flush stops the whole process, some
5 ms a MiB: seldom is cheaper, often is fresher."""

_SMALL_BYTES = 256
"""About what an operation without points takes in the log."""
_MODES = {
    WriteMode.EITHER: edge.UpdateMode.Upsert,
    WriteMode.INSERT: edge.UpdateMode.InsertOnly,
    WriteMode.UPDATE: edge.UpdateMode.UpdateOnly,
}


@dataclass(slots=True)
class Replacing:
    """What a collection is on; see `EdgeCollection.replaced`."""

    shard: edge.EdgeShard


class EdgeCollection:
    """See `sinks.collection.Collection`.

    The engine is thread-safe; the lock is there because two writers are slower than one after the other.
    Acknowledged writes are in the write-ahead log, so a killed process loses none of them; a loss of power, none that
    `sync` has seen. The engine replays that log when it is opened, over whatever of its other files had got to the disk.
    """

    def __init__(self, shard: edge.EdgeShard, spec: CollectionSpec, path: Path, space: FreeSpace) -> None:
        """path: the folder of the shard."""
        self._shard = shard
        self._space = space
        self._log = path / "wal"
        self._unsynced = True  # what an earlier process left in the log may not be on the disk
        self._name = spec.name
        self._opaque = frozenset(spec.opaque)
        self._lock = threading.Lock()
        # A shard that was loaded may have operations in its log that no flush has seen.
        self._since_flush = _SMALL_BYTES

    @property
    def name(self) -> str:
        """As the engine knows it, for messages."""
        return self._name

    def upsert(
        self, *batches: PointBatch, where: Where | None = None, mode: WriteMode = WriteMode.EITHER
    ) -> None:
        """Replace or insert whole points; returns after they are in the write-ahead log."""
        points = [point for batch in batches for point in edge_points(batch, self._opaque)]
        operation = edge.UpdateOperation.upsert_points(points, edge_filter(where), _MODES[mode])
        self._update("write", operation, sum(int(batch.n_bytes.sum()) for batch in batches))

    def set_payload(self, fields: Payload, where: Where) -> None:
        """Set these fields, none of which may be an opaque one, of all points that match."""
        chosen = edge_filter(where) or edge.Filter()
        self._update("change", edge.UpdateOperation.set_payload_by_filter(chosen, fields), _SMALL_BYTES)

    def delete(self, keys: Sequence[Key], where: Where | None = None) -> None:
        """Remove points, with `where` those that match; absent ones are no error."""
        if where is None:
            operation = edge.UpdateOperation.delete_points(list(keys))
        else:
            chosen = edge_filter(replace(where, among=keys)) or edge.Filter()
            operation = edge.UpdateOperation.delete_points_by_filter(chosen)
        self._update("delete", operation, _SMALL_BYTES)

    def retrieve(self, keys: Sequence[Key], with_vectors: bool, settled: bool = True) -> list[Found]:
        """Those of the points that exist, in any order."""
        records = self._call("read", lambda: self._shard.retrieve(list(keys), True, with_vectors))
        return [found_point(record) for record in records]

    def scroll(
        self, limit: int, after: Key | None, where: Where | None, with_vectors: bool
    ) -> tuple[list[Found], Key | None]:
        """A page in order of keys, and where the next one begins."""
        request = edge.ScrollRequest(
            offset=after,
            limit=limit,
            filter=edge_filter(where),
            with_payload=True,
            with_vector=with_vectors,
        )
        records, following = self._call("scan", lambda: self._shard.scroll(request))
        return [found_point(record) for record in records], None if following is None else edge_key(following)

    def search(
        self, vector_name: str, vector: NDArray[np.float32], k: int, where: Where | None
    ) -> list[Found]:
        """The `k` nearest points with their scores, best first."""
        request = edge.QueryRequest(
            limit=k,
            query=edge.Query.Nearest(vector.tolist(), using=vector_name),
            filter=edge_filter(where),
            with_payload=True,
        )
        points = self._call("search", lambda: self._shard.query(request))
        return [
            Found(edge_key(point.id), unpack_payload(point.payload), score=point.score) for point in points
        ]

    def count(self, where: Where | None = None, settled: bool = True) -> int:
        """How many points there are that match, exactly."""
        request = edge.CountRequest(exact=True, filter=edge_filter(where))
        return self._call("count", lambda: self._shard.count(request))

    def index(self, fields: Mapping[str, edge.PayloadSchemaType]) -> None:
        """Index the payload fields that are not indexed yet."""
        with self._lock:
            indexed = self._call("look at", self._shard.info).payload_schema
            for field, kind in fields.items():
                if field not in indexed:
                    operation = edge.UpdateOperation.create_field_index(field, kind)
                    self._call("index", partial(self._shard.update, operation))

    def optimize(self) -> None:
        """Merge, vacuum and index segments. Holds the interpreter lock all the while."""
        with self._lock:
            self._call("optimize", self._shard.optimize)

    def flush(self) -> None:
        """Put everything on the disk; nothing to do where nothing was written since."""
        with self._lock:
            if self._since_flush:
                self._call("flush", self._shard.flush)
                self._since_flush = 0

    def sync(self) -> None:
        """Put the write-ahead log on the disk.

        A flush would do that too, at six times the cost, and keep all threads of the process waiting.
        """
        if not self._unsynced:
            return
        self._unsynced = False  # first: what is written from here on is for the next time
        try:
            if not self._log.is_dir():
                self.flush()
                return
            for path in [*self._log.iterdir(), self._log]:
                _fsync(path)
        except BaseException as error:
            self._unsynced = True
            if isinstance(error, OSError):
                raise StoreError(f"cannot put {self._log} on the disk: {error.strerror}") from error
            raise

    @contextmanager
    def replaced(self) -> Iterator[Replacing]:
        """Around putting another shard with the same points in the place of this one; nobody writes meanwhile."""
        with self._lock:
            replacing = Replacing(self._shard)
            yield replacing
            self._shard, self._unsynced = replacing.shard, True

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            self._call("flush", self._shard.flush)
            self._call("close", self._shard.close)

    def _update(self, what: str, operation: edge.UpdateOperation, n_bytes: int) -> None:
        with self._lock:
            self._space.require()
            self._call(what, lambda: self._shard.update(operation))
            self._unsynced = True
            self._since_flush += n_bytes
            if self._since_flush >= FLUSH_EVERY_BYTES:
                self._call("flush", self._shard.flush)
                self._since_flush = 0

    def _call(self, what: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except Exception as error:  # the engine raises plain Exception for whatever goes wrong
            if "not initialized" in str(error):
                raise StoreError("the store is closed") from error
            raise StoreError(f"cannot {what} the embedded {self._name}: {error}") from error


def _fsync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # a flush has just shortened the log
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
