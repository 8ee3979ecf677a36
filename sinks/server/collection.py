"""A collection of a Qdrant server, by gRPC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import grpc as messages

from sinks.collection import Found, Key, Payload, PointBatch, Where, WriteMode
from sinks.errors import ReplicasDiffer, StoreUnavailable
from sinks.server.channel import ServerChannel, Work
from sinks.server.messages import (
    encode_condition,
    filter_message,
    message_point,
    point_id,
    point_ids,
    point_key,
)
from sinks.server.nodes import RpcMethod
from sinks.server.replicas import Replicas
from sinks.server.wire import encode_count, encode_set_payload, encode_upsert

_PAYLOAD = messages.WithPayloadSelector(enable=True)
_NO_PAYLOAD = messages.WithPayloadSelector(enable=False)
_LONGEST_PAUSE_S = 0.2
_AGREE_S = 2.0
"""Replicas are given this long to agree: more than an update takes from one to the next."""


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

    def upsert(
        self, *batches: PointBatch, where: Where | None = None, mode: WriteMode = WriteMode.EITHER
    ) -> None:
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

    def delete(self, keys: Sequence[Key], where: Where | None = None) -> None:
        """Remove points, with `where` those that match; absent ones are no error."""
        if where is None:
            chosen = messages.PointsSelector(points=messages.PointsIdsList(ids=point_ids(keys)))
        else:
            chosen = messages.PointsSelector(filter=filter_message(replace(where, among=keys)))
        request = messages.DeletePoints(collection_name=self._name, wait=True, points=chosen)
        self._applied(self._points.Delete, request, Work("deleting from", self._name, len(keys)))

    def retrieve(self, keys: Sequence[Key], with_vectors: bool, settled: bool = True) -> list[Found]:
        """Those of the points that exist, in any order.

        Where replicas differ on a settled read's points for the moment, it is repeated until they agree. Of what is left
        out then any replica is asked, and what it has not is absent: one that failed to take a write is out of service
        before that is acknowledged, so each that answers has some version of all that ever was.

        Raises:
            ReplicasDiffer: they still differ.
        """
        work = Work("reading from", self._name, len(keys))
        points = self._get(keys, _PAYLOAD, with_vectors, settled, work)
        if not settled or self._replicas is None or not self._replicas.settles:
            return points
        deadline, pause_s = time.monotonic() + min(self._channel.timeout_s, _AGREE_S), 0.005
        missing = set(keys) - {point.key for point in points}
        while missing and (present := self._get(list(missing), _NO_PAYLOAD, False, False, work)):
            if time.monotonic() + pause_s > deadline:
                # A node that has a replica answers by that one; perhaps another one's is the one to continue from.
                self._channel.turn_away()
                raise ReplicasDiffer(
                    f"the replicas still differ on {len(present)} points: {work} at {self._channel.location}; if "
                    "this lasts, see docs/cluster.md"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            agreed = self._get([point.key for point in present], _PAYLOAD, with_vectors, True, work)
            points += agreed
            missing -= {point.key for point in agreed}
        return points

    def _get(
        self, keys: Sequence[Key], payload: Any, with_vectors: bool, settled: bool, work: Work
    ) -> list[Found]:
        request = messages.GetPoints(
            collection_name=self._name,
            ids=point_ids(keys),
            with_payload=payload,
            with_vectors=messages.WithVectorsSelector(enable=with_vectors),
        )
        answer = self._answer(self._points.Get, request, work, settled)
        return [message_point(point) for point in answer.result]

    def scroll(
        self, limit: int, after: Key | None, where: Where | None, with_vectors: bool
    ) -> tuple[list[Found], Key | None]:
        """A page in order of keys, and where the next one begins."""
        request = messages.ScrollPoints(
            collection_name=self._name,
            limit=limit,
            offset=None if after is None else point_id(after),
            filter=filter_message(where),
            with_payload=_PAYLOAD,
            with_vectors=messages.WithVectorsSelector(enable=with_vectors),
        )
        answer = self._answer(self._points.Scroll, request, Work("scanning", self._name, limit))
        following = point_key(answer.next_page_offset) if answer.HasField("next_page_offset") else None
        return [message_point(point) for point in answer.result], following

    def search(
        self, vector_name: str, vector: NDArray[np.float32], k: int, where: Where | None
    ) -> list[Found]:
        """The `k` nearest points with their scores, best first."""
        nearest = messages.VectorInput(dense=messages.DenseVector(data=vector.tolist()))
        request = messages.QueryPoints(
            collection_name=self._name,
            query=messages.Query(nearest=nearest),
            using=vector_name,
            filter=filter_message(where),
            limit=k,
            with_payload=_PAYLOAD,
        )
        answer = self._answer(self._points.Query, request, Work("searching", self._name))
        return [message_point(point, point.score) for point in answer.result]

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
