"""One record, looked at field by field: the rule that the decoder of whole batches follows, and what is wrong with a record.

Nothing is built but what a path asks for, however much a record holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streams.events.event import RejectReason
from streams.events.json_errors import undecodable
from streams.events.paths import Path, is_place, path_text

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SCALAR: Final = msgspec.json.Decoder(str | int | float | bool | None).decode
_NAN: Final = rb'"\s*:\s*[-+]?(?:NaN|Inf|nan|inf)'


class Unreadable(Exception):
    """A record no field of which can be used."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.why: tuple[RejectReason, str] = reason, detail


def walk_record(
    record: bytes | Mapping[str, Any], paths: Mapping[str, Path], time_field: str
) -> dict[str, Any]:
    """The values of those fields that the record has.

    Args:
        record: JSON, or an object that was decoded already.
        time_field: the one among the fields that a number out of range is reported of as a time.

    Raises:
        Unreadable: it is no object, a value on the way to a field is none, or a list or an object is where a value should be.
    """
    if not isinstance(record, Mapping):
        return _walk_json(record, paths, time_field)
    found = {}
    for field, path in paths.items():
        value: Any = record
        for depth, key in enumerate(path):
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list | tuple) and is_place(key):
                value = value[int(key)] if int(key) < len(value) else None
            elif value is not None:
                raise Unreadable("wrong_type", f"{path_text(path[:depth])}: expected an object")
        if isinstance(value, Mapping | list | tuple):
            raise _no_value(path, "an object" if isinstance(value, Mapping) else "a list")
        found[field] = value
    return found


def _walk_json(record: bytes, paths: Mapping[str, Path], time_field: str) -> dict[str, Any]:
    try:
        whole = _OBJECT(record)
    except Exception as error:
        reason, detail = undecodable(error, record)
        time_path = paths.get(time_field)
        if (
            reason == "not_json"
            and time_path
            and re.search(b'"' + re.escape(time_path[-1].encode()) + _NAN, record)
        ):
            reason, detail = "timestamp_not_finite", f"{path_text(time_path)} is not a finite number"
        raise Unreadable(reason, detail) from None
    found = {}
    for field, path in paths.items():
        try:
            found[field] = _value_at(whole, path)
        except Unreadable:
            raise
        except Exception as error:
            if "out of range" in str(error) and field == time_field:
                raise Unreadable(
                    "timestamp_not_finite", f"{path_text(path)} is not a finite number"
                ) from None
            reason, detail = undecodable(error, record)
            raise Unreadable(reason, f"{path_text(path)}: {detail}"[:200]) from None
    return found


def _value_at(whole: Mapping[str, msgspec.Raw], path: Path) -> Any:
    raw = whole.get(path[0])
    for depth, key in enumerate(path[1:], 1):
        if raw is None:
            return None
        start = bytes(raw)[:1]
        if start == b"{":
            raw = _OBJECT(raw).get(key)
        elif start == b"[" and is_place(key):
            values = _ARRAY(raw)
            raw = values[int(key)] if int(key) < len(values) else None
        elif bytes(raw) == b"null":
            return None
        else:
            raise Unreadable("wrong_type", f"{path_text(path[:depth])}: expected an object")
    if raw is None:
        return None
    start = bytes(raw)[:1]
    if start in (b"{", b"["):
        raise _no_value(path, "an object" if start == b"{" else "a list")
    return _SCALAR(raw)


def _no_value(path: Path, found: str) -> Unreadable:
    return Unreadable("wrong_type", f"{path_text(path)}: expected one value, got {found}")
