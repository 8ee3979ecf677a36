"""Records of the wire format -> what their schemas say, for a whole fetch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from streams.events.event import RejectReason
from streams.wire.decoder import PayloadDecoder, UnusableSchema
from streams.wire.framing import VALUE_HEADER, Framed, NotFramed, SchemaId, framed

WireFormat = Literal["avro", "protobuf", "json-schema"]
KINDS: Final = {"avro": "AVRO", "protobuf": "PROTOBUF", "json-schema": "JSON"}
RecordHeaders = Sequence[tuple[str, bytes | None]]
Why = tuple[RejectReason, str]


class SchemaSource(Protocol):
    """Where schemas come from; see `streams.wire.schemas.Schemas`."""

    def fetch(self, wanted: set[SchemaId]) -> dict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]]:
        """Kind and decoder of each id. Raises RegistryUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Unframed:
    """The values of records: mappings of Avro and Protobuf, JSON in bytes of JSON Schema, None of what has none."""

    values: list[Any]
    rejects: dict[int, Why] = field(default_factory=dict)
    """position -> why the record has no value, though it should"""


def unframed(
    values: Sequence[bytes | None],
    headers: Sequence[RecordHeaders],
    wire_format: WireFormat,
    schemas: SchemaSource,
    name: str = VALUE_HEADER,
) -> Unframed:
    """Take records apart and decode them; whatever one holds, the others are decoded.

    name: of the header that may hold a schema's id.

    Raises:
        RegistryUnavailable: a schema is not known and the registry does not say; call again.
    """
    found = Unframed([None] * len(values))
    frames: list[tuple[int, Framed]] = []
    for position, value in enumerate(values):
        if value is None:
            continue
        try:
            frames.append((position, framed(value, headers[position], name)))
        except NotFramed as error:
            found.rejects[position] = "not_framed", str(error)
    if wire_format == "json-schema":
        for position, frame in frames:
            found.values[position] = frame.payload
        return found
    known = schemas.fetch({frame.schema for _, frame in frames})
    for position, frame in frames:
        decoded = _decoded(frame, known.get(frame.schema), wire_format)
        if type(decoded) is dict:
            found.values[position] = decoded
        else:
            found.rejects[position] = decoded.why
    return found


@dataclass(frozen=True, slots=True)
class _Undecoded:
    why: Why


def _decoded(
    frame: Framed, known: tuple[str, PayloadDecoder | UnusableSchema] | None, wire_format: WireFormat
) -> Any:
    if known is None:
        return _Undecoded(("unknown_schema", f"the registry has no schema {frame.schema}"))
    kind, decoder = known
    if kind != KINDS[wire_format]:
        detail = f"schema {frame.schema} is {kind[:20]}, the format of the description is {wire_format}"
        return _Undecoded(("unusable_schema", detail))
    if isinstance(decoder, UnusableSchema):
        return _Undecoded(("unusable_schema", f"schema {frame.schema}: {decoder}"))
    try:
        value = decoder.decode(frame.payload, frame.header, frame.in_header)
    except Exception as error:
        # By its kind only: the text may quote the record.
        detail = f"its bytes are none of schema {frame.schema} ({type(error).__name__})"
        return _Undecoded(("undecodable_record", detail))
    return value if type(value) is dict else _Undecoded(("wrong_type", "the record is no object"))
