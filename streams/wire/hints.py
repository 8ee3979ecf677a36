"""What a record that can not be read looks like, and which setting it seems to need: a guess for people, no rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from streams.events.event import Reject
from streams.wire.envelope import EnvelopeName
from streams.wire.framing import is_framed

_LOOKED_AT: Final = 1 << 16
"""Bytes at the beginning of a record."""
_REASONS: Final = frozenset({"not_json", "missing_field", "wrong_type"})
_BOM: Final = b"\xef\xbb\xbf"
_FIRST: Final = re.compile(rb'\s*\{\s*"(\w+)"')
_DEBEZIUM: Final = re.compile(rb'"op"\s*:\s*"[crudtm]"')
_TRACK: Final = re.compile(rb'"type"\s*:\s*"(?:track|identify|page|screen|group|alias)"')
_SPECIFIC: Final = re.compile(rb'"specversion"\s*:')
_DATA: Final = re.compile(rb'"data"\s*:\s*[\[{]')


def with_hints(rejects: Sequence[Reject], values: Sequence[Any]) -> list[Reject]:
    """The rejects, each with what its record looks like, where that is known."""
    found = []
    for reject in rejects:
        value = values[reject.position]
        hint = _hint(value) if reject.reason in _REASONS and isinstance(value, bytes) else ""
        found.append(replace(reject, detail=f"{reject.detail}; {hint}") if hint else reject)
    return found


def likely_envelope(values: Sequence[bytes]) -> EnvelopeName:
    """What most of the records look like; "none" where no envelope is told by more than half of them.

    >>> likely_envelope([b'{"op": "c", "after": {}}', b'{"op": "d", "before": {}}', b"{}"])
    'debezium'
    """
    seen = Counter(_envelope(value[:_LOOKED_AT]) for value in values)
    ((name, count),) = seen.most_common(1) or [("none", 0)]
    return name if 2 * count > len(values) else "none"


def _hint(value: bytes) -> str:
    if is_framed(value):
        return 'it begins as records of a Schema Registry do: [events] format = "avro", "protobuf" or "json-schema"'
    start = value[:_LOOKED_AT]
    if start.startswith(_BOM):
        return "it begins with a byte-order mark, which JSON must not"
    if start.startswith((b'"{', b'"[')):
        return "it is a JSON string that holds JSON: its producer encodes twice"
    envelope = _envelope(start)
    return "" if envelope == "none" else f'it looks like {envelope}: [events] envelope = "{envelope}"'


def _envelope(start: bytes) -> EnvelopeName:
    first = _FIRST.match(start)
    wrapped = first is not None and first[1] in (b"schema", b"payload") and b'"payload"' in start
    if _DEBEZIUM.search(start) and (b'"after"' in start or b'"before"' in start):
        return "debezium"
    if wrapped:
        return "connect"
    if _SPECIFIC.search(start):
        return "cloudevents"
    if _TRACK.search(start):
        return "segment"
    return "snowplow" if b'"iglu:' in start and _DATA.search(start) else "none"
