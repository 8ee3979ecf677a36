"""What requests to a collection with several replicas need.

A server lets every node take updates, and sends each to all replicas of its shard. By default (`weak` ordering) two
racing updates may reach two replicas in different orders, and then they differ for good. So where a collection has
more than one replica, every update asks for an ordering: it goes by one leader, which passes updates on one by one.

While an update is on its way the replicas differ for a moment, and one that was cut off may answer with what it knew.
So reads on which a write depends ("settled" ones) ask half of the replicas and one more, and get what all of these
agree on (`Quorum`). That overlaps with every acknowledged write if each write was acknowledged by the other half
(`least_acknowledged`). Qdrant's `Majority` would be no better at that and worse otherwise: it needs an answer of *every*
replica, and counts what only the fuller half of them holds.

Points on which the replicas asked differ are left out of the answer: absent is never new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import grpc
from qdrant_client import grpc as messages

from sinks.errors import StoreError, StoreNotFound, StoreUnavailable
from sinks.server.channel import ServerChannel, Work
from sinks.server.nodes import RpcMethod

log = logging.getLogger(__name__)

Ordering = Literal["medium", "strong"]

LOOK_AGAIN_S = 60.0
"""So old may the knowledge of a collection's replicas become: one may be added while we write."""

_ORDERINGS = {"medium": messages.WriteOrderingType.Medium, "strong": messages.WriteOrderingType.Strong}

_ORDERING_FIELD = {"Upsert": 4, "SetPayload": 6, "Delete": 4, "CreateFieldIndex": 6}
"""The number of `ordering` in the request of each update."""
_CONSISTENCY_FIELD = {"Get": 6, "Scroll": 8, "Count": 4, "Query": 14}
"""The number of `read_consistency` in the request of each read."""
_QUORUM = messages.ReadConsistency(type=messages.ReadConsistencyType.Quorum)


def least_acknowledged(replicas: int) -> int:
    """By how many replicas a write must be acknowledged so that every settled read sees it.

    >>> [least_acknowledged(replicas) for replicas in (1, 2, 3, 4, 5)]
    [1, 1, 2, 2, 3]
    """
    return (replicas + 1) // 2


class Replicas:
    """How many replicas one collection has, looked up on the server, and what its requests have to ask for.

    Thread-safe.
    """

    def __init__(
        self,
        channel: ServerChannel,
        collection: str,
        ordering: Ordering,
        expected: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look them up.

        expected: how many the settings ask for; where there are more, a warning says so once.

        Raises:
            StoreUnavailable: no answer.
            StoreNotFound: there is no such collection.
        """
        self._channel = channel
        self._collection = collection
        self._ordering = messages.WriteOrdering(type=_ORDERINGS[ordering])
        self._clock = clock
        self._lock = threading.Lock()
        self._count = self._look()
        self._looked_at = clock()
        if self._count > 1 and self._count != expected:
            log.warning(
                "the collection %s has %d replicas, store.replicas says %d: updates ask for %s ordering and what they "
                "depend on is read from a majority; set store.replicas = %d if that is meant",
                collection,
                self._count,
                expected,
                ordering,
                self._count,
            )

    @property
    def count(self) -> int:
        """How many replicas a shard has, at most; looked up again from time to time."""
        if self._clock() - self._looked_at >= LOOK_AGAIN_S and self._lock.acquire(blocking=False):
            try:
                self._count = self._look()
            except StoreError as error:
                # The request that is about to be sent tells what is wrong better than this question could.
                log.debug("the replicas of %s could not be looked up: %s", self._collection, error)
            finally:
                self._looked_at = self._clock()
                self._lock.release()
        return self._count

    @property
    def settles(self) -> bool:
        """Whether reads on which a write depends have to ask a majority."""
        return self._channel.writes and self.count > 1

    def update(self, method: RpcMethod[Any], request: Any) -> Any:
        """The request of an update, a message or its bytes, with the ordering that it needs here."""
        if self.count < 2:
            return request
        return _with(request, "ordering", _ORDERING_FIELD[method.name], self._ordering)

    def settled(self, method: RpcMethod[Any], request: Any) -> Any:
        """The request of a read on which a write depends, a message or its bytes, with the consistency that it needs
        here."""
        if not self.settles:
            return request
        return _with(request, "read_consistency", _CONSISTENCY_FIELD[method.name], _QUORUM)

    def _look(self) -> int:
        collections = messages.CollectionsStub(self._channel.grpc)  # type: ignore[no-untyped-call]
        work = Work("looking at", self._collection)
        info: Any = self._channel.call(
            collections.Get, messages.GetCollectionInfoRequest(collection_name=self._collection), work
        )
        params = info.result.config.params
        configured = int(params.replication_factor) if params.HasField("replication_factor") else 1
        return max(configured, placed_replicas(self._channel, self._collection))


def _with(request: Any, name: str, number: int, value: Any) -> Any:
    if isinstance(request, bytes):
        # The order of fields means nothing, so one may be appended.
        encoded = value.SerializeToString()
        return request + bytes((number << 3 | 2, len(encoded))) + encoded
    getattr(request, name).CopyFrom(value)
    return request


def placed_replicas(channel: ServerChannel, collection: str) -> int:
    """How many replicas the shard with the most of them really has: some may have been added by hand.

    0 where the server does not tell, as a managed one may not.

    Raises:
        StoreUnavailable: no answer.
    """
    placed = cluster_info(channel, collection)
    if placed is None:
        return 0
    shards = Counter(shard.shard_id for shard in (*placed.local_shards, *placed.remote_shards))
    return max(shards.values(), default=0)


def cluster_info(channel: ServerChannel, collection: str) -> Any:
    """The server's CollectionClusterInfoResponse; None where it does not tell.

    Raises:
        StoreUnavailable: no answer.
        StoreNotFound: there is no such collection.
    """
    collections = messages.CollectionsStub(channel.grpc)  # type: ignore[no-untyped-call]
    request = messages.CollectionClusterInfoRequest(collection_name=collection)
    work = Work("asking for the shards of", collection)
    try:
        return channel.call(
            collections.CollectionClusterInfo, request, work, allowed=grpc.StatusCode.UNIMPLEMENTED
        )
    except (StoreUnavailable, StoreNotFound):
        raise
    except StoreError as error:
        log.debug("the server does not tell where the shards of %s are: %s", collection, error)
        return None
