"""Which requests the test server understands, and how they and the answers look to qdrant-edge."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import qdrant_edge as edge
from google.protobuf import unknown_fields
from qdrant_client import grpc as messages

UNDERSTOOD: dict[str, set[str]] = {
    "GetCollectionInfoRequest": {"collection_name"},
    "CollectionClusterInfoRequest": {"collection_name"},
    "CreateCollection": {
        "collection_name",
        "vectors_config",
        "optimizers_config",
        "hnsw_config",
        "shard_number",
        "replication_factor",
        "write_consistency_factor",
    },
    "VectorsConfig": {"params_map"},
    "VectorParamsMap": {"map"},
    "VectorParams": {"size", "distance", "hnsw_config", "multivector_config"},
    "MultiVectorConfig": {"comparator"},
    "HnswConfigDiff": {"m"},
    "OptimizersConfigDiff": {"indexing_threshold", "prevent_unoptimized"},
    "DeleteCollection": {"collection_name"},
    "ListAliasesRequest": set(),
    "ChangeAliases": {"actions"},
    "AliasOperations": {"create_alias", "delete_alias"},
    "CreateAlias": {"collection_name", "alias_name"},
    "DeleteAlias": {"alias_name"},
    "CreateFieldIndexCollection": {"collection_name", "wait", "field_name", "field_type", "ordering"},
    "WriteOrdering": {"type"},
    "ReadConsistency": {"type", "factor"},
    "UpsertPoints": {"collection_name", "wait", "points", "update_filter", "update_mode", "ordering"},
    "SetPayloadPoints": {"collection_name", "wait", "payload", "points_selector", "ordering"},
    "PointStruct": {"id", "payload", "vectors"},
    "PointId": {"num", "uuid"},
    "Vectors": {"vectors"},
    "NamedVectors": {"vectors"},
    "Vector": {"dense", "multi_dense"},
    "DenseVector": {"data"},
    "MultiDenseVector": {"vectors"},
    "Value": {
        "null_value",
        "double_value",
        "integer_value",
        "string_value",
        "bool_value",
        "struct_value",
        "list_value",
    },
    "Struct": {"fields"},
    "ListValue": {"values"},
    "DeletePoints": {"collection_name", "wait", "points", "ordering"},
    "PointsSelector": {"points", "filter"},
    "PointsIdsList": {"ids"},
    "GetPoints": {"collection_name", "ids", "with_payload", "with_vectors", "read_consistency"},
    "WithPayloadSelector": {"enable"},
    "WithVectorsSelector": {"enable"},
    "ScrollPoints": {"collection_name", "filter", "offset", "limit", "with_payload", "with_vectors"},
    "QueryPoints": {"collection_name", "query", "using", "filter", "limit", "with_payload"},
    "Query": {"nearest"},
    "VectorInput": {"dense"},
    "CountPoints": {"collection_name", "filter", "exact", "read_consistency"},
    "Filter": {"must", "should", "must_not"},
    "Condition": {"field", "has_id", "is_empty", "is_null", "filter"},
    "FieldCondition": {"key", "match", "range", "datetime_range"},
    "Match": {"keyword", "keywords", "integer"},
    "RepeatedStrings": {"strings"},
    "Range": {"lt", "lte", "gt", "gte"},
    "DatetimeRange": {"lt", "lte", "gt", "gte"},
    "Timestamp": {"seconds", "nanos"},
    "HasIdCondition": {"has_id"},
    "IsEmptyCondition": {"key"},
    "IsNullCondition": {"key"},
}
"""The fields of each message that are served; any other that is set is refused."""


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def unimplemented(message: str) -> Refused:
    return Refused(grpc.StatusCode.UNIMPLEMENTED, message)


def invalid(message: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {message}")


def check_understood(message: Any) -> None:
    """Refuse a request with any field set that is not served."""
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        if field.name not in UNDERSTOOD.get(kind, ()):
            raise unimplemented(f"the test server does not know {kind}.{field.name}")
        inner = field.message_type
        if inner is None:
            continue
        if inner.GetOptions().map_entry:
            value = value.values() if inner.fields_by_name["value"].message_type else ()
        elif not field.is_repeated:
            value = (value,)
        for part in value:
            check_understood(part)
    if len(unknown_fields.UnknownFieldSet(message)):
        raise unimplemented(f"the test server does not know a field of {kind}")


def to_key(point_id: Any) -> int | uuid.UUID:
    if point_id.WhichOneof("point_id_options") == "num":
        return int(point_id.num)
    try:
        return uuid.UUID(point_id.uuid)
    except ValueError:
        raise invalid(f"Unable to parse UUID: {point_id.uuid}") from None


def from_key(key: int | uuid.UUID) -> Any:
    return messages.PointId(num=key) if isinstance(key, int) else messages.PointId(uuid=str(key))


def to_json(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {name: to_json(item) for name, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [to_json(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def from_json(value: Any) -> Any:
    if value is None:
        return messages.Value(null_value=0)
    if isinstance(value, bool):
        return messages.Value(bool_value=value)
    if isinstance(value, int):
        return messages.Value(integer_value=value)
    if isinstance(value, float):
        return messages.Value(double_value=value)
    if isinstance(value, str):
        return messages.Value(string_value=value)
    if isinstance(value, list):
        return messages.Value(list_value=messages.ListValue(values=map(from_json, value)))
    fields = {name: from_json(item) for name, item in value.items()}
    return messages.Value(struct_value=messages.Struct(fields=fields))


def from_rows(rows: list[Any]) -> Any:
    if rows and isinstance(rows[0], list):
        dense = [messages.DenseVector(data=row) for row in rows]
        return messages.VectorOutput(multi_dense=messages.MultiDenseVector(vectors=dense))
    return messages.VectorOutput(dense=messages.DenseVector(data=rows))


def to_filter(message: Any) -> edge.Filter:
    return edge.Filter(
        must=[to_condition(condition) for condition in message.must] or None,
        should=[to_condition(condition) for condition in message.should] or None,
        must_not=[to_condition(condition) for condition in message.must_not] or None,
    )


def to_condition(message: Any) -> Any:
    kind = message.WhichOneof("condition_one_of")
    if kind == "has_id":
        return edge.HasIdCondition({to_key(point_id) for point_id in message.has_id.has_id})
    if kind == "is_empty":
        return edge.IsEmptyCondition(message.is_empty.key)
    if kind == "is_null":
        return edge.IsNullCondition(message.is_null.key)
    if kind == "filter":
        return to_filter(message.filter)
    field = message.field
    if field.HasField("range"):
        bounds = {bound.name: value for bound, value in field.range.ListFields()}
        return edge.FieldCondition(field.key, range=edge.RangeFloat(**bounds))
    if field.HasField("datetime_range"):
        times = {bound.name: value.ToJsonString() for bound, value in field.datetime_range.ListFields()}
        return edge.FieldCondition(field.key, range=edge.RangeDateTime(**times))
    match = field.match.WhichOneof("match_value")
    if match == "keywords":
        return edge.FieldCondition(field.key, match=edge.MatchAny(list(field.match.keywords.strings)))
    if match is None:
        raise invalid("a condition without a match")
    return edge.FieldCondition(field.key, match=edge.MatchValue(getattr(field.match, match)))


def optional_filter(request: Any, name: str = "filter") -> edge.Filter | None:
    return to_filter(getattr(request, name)) if request.HasField(name) else None


def found(kind: Any, record: Any, **more: Any) -> Any:
    message = kind(id=from_key(record.id), **more)
    for name, value in (record.payload or {}).items():
        message.payload[name].CopyFrom(from_json(value))
    for name, rows in (record.vector or {}).items():
        message.vectors.vectors.vectors[name].CopyFrom(from_rows(rows))
    return message
