"""Records in Confluent's wire format, made by fastavro and Protobuf as producers make them."""

from __future__ import annotations

import io
import json
import struct
from typing import Any
from uuid import UUID

AVRO_EVENT = {
    "type": "record",
    "name": "Event",
    "namespace": "shop",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "scenario", "type": "string"},
        {"name": "item_id", "type": ["null", "string"], "default": None},
        {"name": "event_id", "type": ["null", "string"], "default": None},
    ],
}
PROTO_EVENT = """syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message Ignored { string nothing = 1; }
message Event {
  string user_id = 1;
  google.protobuf.Timestamp timestamp = 2;
  string scenario = 3;
  optional string item_id = 4;
  int64 order_number = 5;
}
"""


def prefixed(schema_id: int, payload: bytes) -> bytes:
    """Magic byte, id, payload."""
    return b"\x00" + struct.pack(">I", schema_id) + payload


def guid_header(guid: UUID, path: bytes = b"", name: str = "__value_schema_id") -> tuple[str, bytes]:
    """The header of newer producers."""
    return name, b"\x01" + guid.bytes + path


def avro_bytes(value: Any, *schemas: Any) -> bytes:
    """A payload; the last of the schemas is the value's, those before it are what it uses."""
    import fastavro

    named: dict[str, Any] = {}
    parsed: Any = None
    for schema in schemas:
        parsed = fastavro.parse_schema(schema, named_schemas=named)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, value)
    return out.getvalue()


def as_text(schema: Any) -> str:
    """A schema as a registry keeps it."""
    return json.dumps(schema)
