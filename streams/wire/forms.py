"""The forms in which one envelope comes: some producers write both into one topic, so each record is looked at.

Only how a record begins is looked at, where that tells; nothing is decoded twice but the array of the Snowplow kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streams.events.event import RejectReason
from streams.wire.envelope import Envelope
from streams.wire.unframed import RecordHeaders

PLAIN, WRAPPED, BARE, IN_ARRAY = range(4)
"""As the envelope says; within Connect's payload; the value is the event, its envelope stands in headers; in an array."""

_CONNECT: Final = re.compile(rb'\s*\{\s*"(?:schema|payload)"\s*:')
_CONTENT_TYPE: Final = "content-type"
_STRUCTURED: Final = b"application/cloudevents"


class _Data(msgspec.Struct):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODE_DATA: Final = msgspec.json.Decoder(_Data).decode
_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
Forms = tuple[list[int], dict[int, tuple[RejectReason, str]]]


def forms_of(envelope: Envelope, values: Sequence[Any], headers: Sequence[RecordHeaders]) -> Forms:
    """The form of each record, and the rejects of those that are in none."""
    if envelope.connect == "always":
        return [_always(value) for value in values], {}
    if envelope.connect == "maybe":
        return [_wrapped(value) for value in values], {}
    if envelope.headers:
        return [_bare(found, envelope.headers) for found in headers], {}
    if envelope.in_array:
        return _in_array(values)
    return [PLAIN] * len(values), {}


def _always(value: Any) -> int:
    # Of decoded records, Avro's, Connect's schema is the registry's.
    return PLAIN if isinstance(value, Mapping) and "payload" not in value else WRAPPED


def _wrapped(value: Any) -> int:
    if isinstance(value, Mapping):
        return WRAPPED if "payload" in value and "op" not in value else PLAIN
    return WRAPPED if value is not None and _CONNECT.match(value) else PLAIN


def _bare(headers: RecordHeaders, prefix: str) -> int:
    if not headers:
        return PLAIN
    named = {name.lower(): content for name, content in headers}
    if (named.get(_CONTENT_TYPE) or b"").lower().startswith(_STRUCTURED):
        return PLAIN
    return BARE if f"{prefix}specversion" in named else PLAIN


def _in_array(values: Sequence[Any]) -> Forms:
    forms: list[int] = []
    rejects: dict[int, tuple[RejectReason, str]] = {}
    for position, value in enumerate(values):
        count = _elements(value)
        forms.append(PLAIN if count is None else IN_ARRAY)
        if count is not None and count != 1:
            detail = (
                f"the record holds {count} events; one record is one event, since its offset counts it: split them ahead"
                if count
                else "the record holds no event"
            )
            rejects[position] = ("several_events" if count else "missing_field"), detail
    return forms, rejects


def _elements(value: Any) -> int | None:
    """How many there are in the array; None: it is none."""
    if isinstance(value, Mapping):
        found = value.get("data")
        return len(found) if isinstance(found, list | tuple) else None
    try:
        data = _DECODE_DATA(value).data
        return len(_ELEMENTS(data)) if data is not msgspec.UNSET and bytes(data)[:1] == b"[" else None
    except Exception:  # it is no JSON object: the reader says what is wrong with it
        return None
