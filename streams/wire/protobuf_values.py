"""Protobuf messages -> dicts, under the fields' own names and with integers that stay integers.

A field that is not there, or can't be told from one that is not there (a number 0 or a text "" of proto3 without `optional`),
is left out; an enumeration and a boolean are always there, since their first value says something. Well-known types become what
they stand for: datetimes, wrapped values, structs and decimals.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

MAX_DEPTH: Final = 100
"""As deep as Protobuf's own parser goes."""
_TYPE_BOOL, _TYPE_MESSAGE, _TYPE_GROUP, _TYPE_ENUM = 8, 11, 10, 14
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def value_of(message: Any, depth: int = 0) -> Any:
    """What a message says. depth: how deep it lies in another one."""
    if depth > MAX_DEPTH:
        raise RecursionError
    known = _KNOWN.get(message.DESCRIPTOR.full_name)
    if known is not None:
        return known(message, depth)
    return {
        field.name: _field(field, getattr(message, field.name), depth)
        for field in message.DESCRIPTOR.fields
        if _is_there(message, field)
    }


def _field(field: Any, value: Any, depth: int) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        inner = entry.fields_by_name["value"]
        return {str(key): _single(inner, value[key], depth) for key in value}
    if field.is_repeated:
        return [_single(field, each, depth) for each in value]
    return _single(field, value, depth)


def _single(field: Any, value: Any, depth: int) -> Any:
    if field.type in (_TYPE_MESSAGE, _TYPE_GROUP):
        return value_of(value, depth + 1)
    if field.type == _TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value


def _moment(message: Any, _depth: int) -> datetime:
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def _entries(fields: Any, depth: int) -> dict[str, Any]:
    return {name: value_of(fields[name], depth + 1) for name in fields}


def _any_value(message: Any, depth: int) -> Any:
    kind = message.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    value = getattr(message, kind)
    return value_of(value, depth + 1) if kind in ("struct_value", "list_value") else value


def _is_there(message: Any, field: Any) -> bool:
    if field.is_repeated:
        return bool(len(getattr(message, field.name)))
    if field.has_presence:
        return bool(message.HasField(field.name)) or (
            field.type in (_TYPE_ENUM, _TYPE_BOOL) and field.containing_oneof is None
        )
    return field.type in (_TYPE_ENUM, _TYPE_BOOL) or bool(getattr(message, field.name))


def _decimal(message: Any, _depth: int) -> Decimal:
    return Decimal(int.from_bytes(message.value, "big", signed=True)).scaleb(-message.scale)


_KNOWN: Final[dict[str, Callable[[Any, int], Any]]] = {
    "google.protobuf.Timestamp": _moment,
    "google.protobuf.Struct": lambda message, depth: _entries(message.fields, depth),
    "google.protobuf.ListValue": lambda message, depth: [
        value_of(value, depth + 1) for value in message.values
    ],
    "google.protobuf.Value": _any_value,
    "confluent.type.Decimal": _decimal,
    **{
        f"google.protobuf.{name}Value": lambda message, _: message.value
        for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
    },
}
