"""Envelopes: where in a record the event stands, whether it is one, and which paths its fields have if the settings name none.

Data, not code: `streams.wire.event_decoder` and `streams.wire.item_decoder` read records by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

EnvelopeName = Literal["none", "debezium", "connect", "cloudevents", "segment", "snowplow"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a producer puts around an event."""

    name: EnvelopeName
    prefix: str = ""
    """path of the event; "" for the record itself"""
    operation: str = ""
    """path of what was done to the row, or of the kind of call; "" where each record is an event"""
    taken: frozenset[str] = frozenset()
    """operations that bring an event"""
    ignored: frozenset[str] = frozenset()
    """operations that are about no event; counted apart"""
    changes: frozenset[str] = frozenset()
    """operations that would alter an event or take it back, which a sum can't: `[events] changes` says what becomes of them"""
    connect: Literal["never", "maybe", "always"] = "never"
    """whether Kafka Connect's schema and payload stand around it"""
    tombstones: bool = False
    """a record without a value is a part of the protocol and no fault"""
    in_array: bool = False
    """the event may stand in an array, alone"""
    headers: str = ""
    """how those headers begin that say what the envelope's fields say, where the value is the bare event"""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """key of `[events]` -> its setting, unless the settings say another"""
    otherwise: Mapping[str, str] = field(default_factory=dict)
    """field -> where it stands in the envelope, for events that have it nowhere else; unless the settings say another path"""


ENVELOPES: Final[dict[EnvelopeName, Envelope]] = {
    each.name: each
    for each in (
        Envelope("none"),
        # https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
        Envelope(
            "debezium",
            prefix="after",
            operation="op",
            taken=frozenset({"c", "r"}),
            ignored=frozenset({"m"}),
            changes=frozenset({"u", "d", "t"}),
            connect="maybe",
            tombstones=True,
        ),
        # JsonConverter with schemas.enable: https://kafka.apache.org/documentation/#connect
        Envelope("connect", connect="always", tombstones=True),
        # https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md
        Envelope(
            "cloudevents",
            prefix="data",
            headers="ce_",
            otherwise={"timestamp": "time", "event_id": "id", "action": "type"},
        ),
        # https://segment.com/docs/connections/spec/track/
        Envelope(
            "segment",
            operation="type",
            taken=frozenset({"track"}),
            ignored=frozenset({"identify", "page", "screen", "group", "alias"}),
            defaults={
                "user_id": "userId",
                "item_id": "properties.product_id",
                "text": "properties.query",
                "event_id": "messageId",
                "action": "event",
                "quantity": "properties.quantity",
                "value": "properties.value",
                "time": "iso",
            },
            otherwise={"user_id": "anonymousId"},
        ),
        # https://docs.snowplow.io/docs/fundamentals/schemas/, self-describing JSON
        Envelope("snowplow", prefix="data", in_array=True),
    )
}
