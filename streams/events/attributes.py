"""Further fields of a catalogue's record -> attributes to filter by (`sinks.attributes`): which are kept, and as what.

Numbers, booleans, short texts and lists of them are kept as they are, typed dates as ISO 8601 text in UTC. Long texts and
objects are nothing to filter by and are left out. `hidden` is a boolean and `available_from` and `available_until` are times,
whatever form they come in, since `recommend` goes by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import msgspec

from sinks.attributes import Attributes, AttributeValue, Scalar
from streams.events.event import RejectReason
from streams.events.times import TimeForm, seconds_of

HIDDEN: Final = "hidden"
AVAILABLE_FROM: Final = "available_from"
AVAILABLE_UNTIL: Final = "available_until"
SERVED: Final = (HIDDEN, AVAILABLE_FROM, AVAILABLE_UNTIL)
"""Attributes that `recommend` goes by without being asked."""

MAX_ATTRIBUTE_BYTES: Final = 4096
"""Of all attributes of an item, as JSON."""
MAX_VALUE_CHARS: Final = 256
"""A longer text is no attribute."""

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = re.compile(r"(19|20)\d{6}")
_INT64: Final = range(-(2**63), 2**63)
_encode = msgspec.json.Encoder().encode


class ItemRefused(Exception):
    """A record that is no item; `why` never quotes it."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.why = (reason, detail)


@dataclass(frozen=True, slots=True)
class AttributeChoice:
    """Which further fields become attributes."""

    names: frozenset[str] | None = None
    """None: all of them"""

    @classmethod
    def parse(cls, text: str) -> AttributeChoice:
        """From `all`, `none`, or names with commas between; those that `recommend` goes by come with any name.

        >>> AttributeChoice.parse("all").takes("price"), AttributeChoice.parse("brand").takes("price")
        (True, False)
        >>> AttributeChoice.parse("brand").takes("hidden"), AttributeChoice.parse("none").takes("hidden")
        (True, False)
        """
        if text.strip() == "all":
            return cls()
        if text.strip() in ("none", ""):
            return cls(frozenset())
        return cls(frozenset(name.strip() for name in text.split(",") if name.strip()) | set(SERVED))

    def takes(self, name: str) -> bool:
        """Whether this field becomes one."""
        return self.names is None or name in self.names


def attributes_of(fields: Mapping[str, Any]) -> tuple[Attributes, list[str]]:
    """The attributes of an item, and the names of the fields that are left out.

    Raises:
        ItemRefused: they are too large, or `hidden` or a date of availability can't be read.
    """
    found: Attributes = {}
    left_out: list[str] = []
    for name, value in fields.items():
        if _is_nothing(value):
            continue
        if name in SERVED:
            found[name] = _boolean(name, value) if name == HIDDEN else _time(name, value)
            continue
        kept = _attribute(value)
        if kept is None:
            left_out.append(name)
        else:
            found[name] = kept
    # A letter takes up to 6 bytes of JSON: most items are seen to be small enough without being encoded.
    if found and 6 * sum(map(_letters, found.items())) > MAX_ATTRIBUTE_BYTES:
        size = len(_encode(found))
        if size > MAX_ATTRIBUTE_BYTES:
            largest = max(found, key=lambda name: len(_encode(found[name])))
            raise ItemRefused(
                "attributes_too_large",
                f"the attributes take {size:,} bytes, the limit is {MAX_ATTRIBUTE_BYTES:,}; the largest is "
                f"{largest[:40]!r}: name those to keep with catalogue.attributes",
            )
    return found, left_out


def iso_time(moment: datetime) -> str:
    """A time in UTC; one without a zone is UTC.

    >>> iso_time(datetime(2026, 1, 31, 12))
    '2026-01-31T12:00:00Z'
    """
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat().removesuffix("+00:00") + "Z"


def _is_nothing(value: Any) -> bool:
    return value is None or value == "" or value == [] or (isinstance(value, float) and value != value)


def _attribute(value: Any) -> AttributeValue | None:
    if not isinstance(value, list | tuple):
        return _scalar(value)
    found: list[Scalar] = []
    for one in value:
        if not _is_nothing(one):
            kept = _scalar(one)
            if kept is None:
                return None
            found.append(kept)
    return found


def _scalar(value: Any) -> Scalar | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value in _INT64 else float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= MAX_VALUE_CHARS else None
    if isinstance(value, bytes):
        try:
            return _scalar(value.decode())
        except UnicodeDecodeError:
            return None
    if isinstance(value, Decimal) and value.is_finite():
        return _scalar(int(value) if value == value.to_integral_value() else float(value))
    if isinstance(value, datetime):
        return iso_time(value)
    if isinstance(value, date):
        return value.isoformat()
    return None


def _letters(entry: tuple[str, AttributeValue]) -> int:
    name, value = entry
    values: Iterator[Scalar] = iter(value) if isinstance(value, list) else iter([value])
    return len(name) + 1 + sum(len(one) + 1 if isinstance(one, str) else 5 for one in values)


def _boolean(name: str, value: Any) -> bool:
    said = str(value, "utf-8", "replace") if isinstance(value, bytes) else str(value)
    said = said.strip().lower()
    if said in _TRUE:
        return True
    if said not in _FALSE:
        raise ItemRefused("wrong_type", f"{name}: expected true or false")
    return False


def _time(name: str, value: Any) -> str:
    """A day of eight digits, or one without a time, begins at 00:00 UTC."""
    digits = str(value, "utf-8", "replace") if isinstance(value, bytes) else str(value)
    form: TimeForm = "yyyymmdd" if _DAY.fullmatch(digits.strip()) else "auto"
    seconds = seconds_of(value, form)
    # Milliseconds would be times beyond the year 5000: refused, not guessed.
    if seconds is None or not 0 <= seconds < 1e11:
        raise ItemRefused("wrong_type", f"{name}: expected unix seconds or an ISO 8601 time")
    return iso_time(_EPOCH + timedelta(seconds=seconds))
