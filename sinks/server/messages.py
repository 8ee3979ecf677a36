"""Points and conditions as the messages of Qdrant's gRPC interface, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray
from qdrant_client import grpc as messages

from sinks.collection import Bound, Found, Key, Where
from sinks.server.wire import encode_among

_SIDES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def point_id(key: Key) -> Any:
    """The PointId message of a key."""
    return messages.PointId(num=key) if isinstance(key, int) else messages.PointId(uuid=key)


def point_ids(keys: Sequence[Key]) -> list[Any]:
    """Those of several."""
    return [point_id(key) for key in keys]


def point_key(message: Any) -> Key:
    """The key in a PointId message."""
    return message.num if message.WhichOneof("point_id_options") == "num" else str(message.uuid)


def filter_message(where: Where | None) -> Any:
    """The Filter message; None where every point matches."""
    if where is None or where.everything:
        return None
    must = [
        messages.Condition(field=messages.FieldCondition(key=field, match=_match(values)))
        for field, values in where.equals.items()
    ]
    must += [_at_most(field, limit) for field, limit in where.at_most.items()]
    must += [_is(field, value) for field, value in where.exactly.items()]
    if where.among is not None:
        must.append(messages.Condition(has_id=messages.HasIdCondition(has_id=point_ids(where.among))))
    if where.any_of:
        must.append(messages.Condition(filter=messages.Filter(should=_filters(where.any_of))))
    must += _filters(where.all_of)
    must += [_within(bound) for bound in where.bounds]
    must += [messages.Condition(is_empty=messages.IsEmptyCondition(key=field)) for field in where.absent]
    must_not = [_is(field, value) for field, value in where.other_than.items()]
    must_not += _filters(where.none_of)
    if where.without:
        must_not.append(messages.Condition(has_id=messages.HasIdCondition(has_id=point_ids(where.without))))
    return messages.Filter(must=must, must_not=must_not)


def encode_condition(where: Where | None) -> bytes | None:
    """The bytes of the Filter message; None where every point matches."""
    if where is None:
        return None
    rest = filter_message(replace(where, among=None))
    encoded: bytes = b"" if rest is None else rest.SerializeToString()
    if where.among is not None:
        return encoded + encode_among(where.among)
    return encoded or None


def _filters(wheres: tuple[Where, ...]) -> list[Any]:
    return [messages.Condition(filter=filter_message(one) or messages.Filter()) for one in wheres]


def _within(bound: Bound) -> Any:
    side = _SIDES[bound.comparison]
    if isinstance(bound.value, str):
        moment = Timestamp()
        moment.FromDatetime(datetime.fromisoformat(bound.value))
        times = messages.DatetimeRange(**{side: moment})
        return messages.Condition(field=messages.FieldCondition(key=bound.field, datetime_range=times))
    numbers = messages.Range(**{side: bound.value})
    return messages.Condition(field=messages.FieldCondition(key=bound.field, range=numbers))


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


def message_point(point: Any, score: float = 0.0) -> Found:
    """A point of an answer; `score` where it was searched for."""
    vectors = {name: _rows(vector) for name, vector in point.vectors.vectors.vectors.items()}
    payload = {name: _json(value) for name, value in point.payload.items()}
    return Found(point_key(point.id), payload, vectors, score)


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
