"""Avro: a schema -> a decoder of payloads.

Logical types become what Python has for them: moments as datetimes, which say themselves what they are, decimals, UUIDs. Kafka
Connect names its types by `connect.name`; Debezium's times, which it leaves as plain integers, are read by those names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final

import msgspec

from streams.wire.decoder import UnusableSchema

_CONNECT_TIMES: Final = {
    "io.debezium.time.Date": "date",
    "io.debezium.time.Timestamp": "timestamp-millis",
    "io.debezium.time.MicroTimestamp": "timestamp-micros",
    "io.debezium.time.NanoTimestamp": "timestamp-nanos",
    "org.apache.kafka.connect.data.Date": "date",
    "org.apache.kafka.connect.data.Timestamp": "timestamp-millis",
}
_NANOS: Final = "timestamp-nanos"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
MAX_DEPTH: Final = 64
"""A type that is nested deeper is no event's."""


def avro_decoder(text: str, references: Sequence[str]) -> AvroDecoder:
    """The decoder of a schema.

    Args:
        text: the schema, JSON.
        references: the schemas that it uses, each after those that it uses itself.

    Raises:
        UnusableSchema: it is none, or none that may be read.
    """
    import fastavro

    _register_nanoseconds()
    named: dict[str, Any] = {}
    schema: Any = None
    try:
        for each in [*references, text]:
            schema = fastavro.parse_schema(_with_times(_parsed(each), 0), named_schemas=named)
        shape = _Shape(named)
        shape.visit(schema)
    except UnusableSchema:
        raise
    except RecursionError:
        raise UnusableSchema("it is nested too deep") from None
    except Exception as error:
        raise UnusableSchema(f"it is no Avro schema that can be read ({type(error).__name__})") from None
    return AvroDecoder(schema, recursive=shape.recursive)


class AvroDecoder:
    """Payloads of one Avro schema -> dicts."""

    def __init__(self, schema: Any, *, recursive: bool) -> None:
        self._schema = schema
        self._read = _bounded_reader() if recursive else _fast_reader()

    def decode(self, payload: bytes, header: bytes, in_header: bool) -> Any:
        """One payload; raises where it is none of the schema."""
        stream = BytesIO(payload)
        value = self._read(stream, self._schema)
        if stream.tell() != len(payload):
            raise ValueError("bytes are left")
        return value


def _fast_reader() -> Callable[[BytesIO, Any], Any]:
    from fastavro import schemaless_reader

    return schemaless_reader


def _bounded_reader() -> Callable[[BytesIO, Any], Any]:
    """For types that contain themselves: fastavro's compiled reader ends the process where a record nests a type 100,000
    times; its readable twin raises RecursionError."""
    from fastavro import _read_py

    def read(stream: BytesIO, schema: Any) -> Any:
        return _read_py.schemaless_reader(stream, schema, None)

    return read


def _parsed(text: str) -> Any:
    stripped = text.strip()
    # A primitive's name alone is a schema too, with or without quotes.
    return stripped if stripped in _PRIMITIVES else msgspec.json.decode(stripped)


def _with_times(schema: Any, depth: int) -> Any:
    """The schema with logical types where only Connect's names say that an integer is a moment."""
    if depth > MAX_DEPTH:
        raise UnusableSchema("it is nested too deep")
    if isinstance(schema, list):
        return [_with_times(branch, depth + 1) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    named = _CONNECT_TIMES.get(str(schema.get("connect.name")))
    if named and schema.get("type") in ("int", "long"):
        changed["logicalType"] = named
    for key in ("type", "items", "values"):
        if isinstance(changed.get(key), (dict, list)):
            changed[key] = _with_times(changed[key], depth + 1)
    if isinstance(changed.get("fields"), list):
        changed["fields"] = [_with_times(field, depth + 1) for field in changed["fields"]]
    return changed


def _register_nanoseconds() -> None:
    """fastavro leaves them as integers, which would be taken for another unit."""
    from fastavro import read

    read.LOGICAL_READERS[f"long-{_NANOS}"] = read.LOGICAL_READERS[f"long-local-{_NANOS}"] = _moment


def _moment(nanoseconds: int, _schema: Any = None, _reader: Any = None) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


class _Shape:
    """Walks a parsed schema: whether a type contains itself, and that nothing takes memory without taking bytes."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []
        self._done: dict[str, bool] = {}
        self.recursive = False

    def visit(self, schema: Any) -> bool:
        """Whether a value may take no bytes at all."""
        if isinstance(schema, list):
            for branch in schema:
                self.visit(branch)
            return False  # the branch's number takes one
        if isinstance(schema, str):
            return schema == "null" or (schema not in _PRIMITIVES and self._name(schema))
        kind = schema["type"]
        if isinstance(kind, (dict, list)):
            return self.visit(kind)
        if kind in ("record", "error"):
            return self._named_once(schema["name"], schema)
        if kind == "array":
            if self.visit(schema["items"]):
                raise UnusableSchema(
                    "it has an array whose items take no bytes: a short record could fill the memory"
                )
            return False
        if kind == "map":
            self.visit(schema["values"])
            return False
        if kind == "fixed":
            return int(schema["size"]) == 0
        return kind == "null" or (kind not in _PRIMITIVES and kind != "enum" and self._name(kind))

    def _name(self, name: str) -> bool:
        found = self._named.get(name)
        if found is None:
            raise UnusableSchema("it uses a type that it does not define")
        if isinstance(found, dict) and found.get("type") in ("record", "error"):
            return self._named_once(name, found)
        return isinstance(found, dict) and found.get("type") == "fixed" and int(found["size"]) == 0

    def _named_once(self, name: str, record: Any) -> bool:
        if name in self._open:
            self.recursive = True
            return False
        if name not in self._done:
            self._open.append(name)
            empty = [
                self.visit(field["type"]) for field in record["fields"]
            ]  # each of them, whatever the first says
            self._done[name] = all(empty)
            self._open.pop()
        return self._done[name]
