"""Times of events: what a number or a text means, by the one form that the settings fix. Unix seconds come out.

A value counts for itself: whatever stands around it in a column, and whether it is a whole number, a float or the text of
one, the same moment is the same float64. Typed times (a timestamp or date of Parquet or Avro) say themselves what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I64

TimeForm = Literal[
    "auto", "s", "ms", "us", "ns", "minutes", "hours", "days", "serial", "yyyymmdd", "iso", "position"
]
TIME_FORMS: Final = get_args(TimeForm)

_PER_SECOND: Final[dict[str, int]] = {"s": 1, "auto": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS: Final[dict[str, int]] = {"minutes": 60, "hours": 3600, "days": 86400, "serial": 86400}
SERIAL_OF_1970: Final = 25569
"""1970-01-01 in a spreadsheet, whose day 1 is 1900-01-01 (with a 29 February 1900 that never was)."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.A | re.I)
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.A)
_EIGHT_DIGITS: Final = re.compile(r"\d{8}", re.A)
# A zone's name counts only where the offset stands before it; which offset it has when, no event log has to know.
_ZONE_NAME: Final = re.compile(
    r"(?<=[\dZz])\[(?:(?:Etc/)?(?:UTC|GMT)|Z)\]$|(?<=[+-]\d\d:\d\d)\[[^\]]*\]$", re.I
)
_UTC: Final = re.compile(r"\s*(UTC|GMT|Z)$", re.I)
_OFFSET: Final = re.compile(r"(:\d\d(?:[.,]\d+)?)\s*([+-]\d\d(?::?\d\d)?)$")

EXPECTED: Final[dict[str, str]] = {
    "auto": "unix seconds or an ISO 8601 time",
    "iso": "an ISO 8601 time",
    "yyyymmdd": "a day of 8 digits, as 20261101",
    "serial": "a spreadsheet's serial date, as 46327.5",
    "position": "nothing: the time follows from the position",
    **{
        form: f"a number of {form} since 1970" for form in ("s", "ms", "us", "ns", "minutes", "hours", "days")
    },
}
"""By form, what a value has to be."""


def is_numeric(form: TimeForm) -> bool:
    """Whether numbers are times, by a unit."""
    return form in _PER_SECOND or form in _SECONDS


def is_number(text: str) -> bool:
    """Whether a text is a number as JSON and spreadsheets write it, spaces around it or not.

    >>> is_number(" 1.5e3 "), is_number("1_000")
    (True, False)
    """
    return _NUMBER.fullmatch(text.strip()) is not None


def scaled(numbers: npt.NDArray[Any], form: TimeForm) -> F64:
    """Unix seconds of numbers, (B,) float64 or int64.

    Whole and broken seconds apart: nanoseconds since 1970 are more than a float64 holds exactly.

    >>> scaled(np.array([1_793_527_200_250]), "ms").tolist()
    [1793527200.25]
    """
    if form == "yyyymmdd":
        return np.array([_of_day(number) for number in numbers.tolist()], np.float64)
    if form == "serial":
        # A spreadsheet holds about 10 digits after the dot: milliseconds.
        seconds: F64 = np.round((numbers.astype(np.float64) - SERIAL_OF_1970) * 86400, 3)
        return seconds
    if form in _SECONDS:
        return numbers.astype(np.float64) * _SECONDS[form]
    per_second = _PER_SECOND[form]
    if per_second == 1:
        return numbers.astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole: F64 = (numbers // per_second).astype(np.float64) + (numbers % per_second) / per_second
    return np.where(np.isfinite(numbers), whole, numbers).astype(np.float64)


def seconds_of(value: Any, form: TimeForm) -> float | None:
    """Unix seconds of one value; None where it is no time of that form. NaN and infinities stay what they are.

    >>> seconds_of("2026-11-01 10:00:00 UTC", "auto"), seconds_of(1793527200000, "ms"), seconds_of(20261101, "yyyymmdd")
    (1793527200.0, 1793527200.0, 1793491200.0)
    """
    kind = type(value)
    if kind is bytes:
        try:
            value, kind = value.decode(), str
        except UnicodeDecodeError:
            return None
    if kind is str:
        return _of_text(value.strip(), form)
    if isinstance(value, date):
        return _of_date(value)
    if kind is Decimal and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
        kind = type(value)
    return _of_number(value, form) if kind is int or kind is float else None


def column_seconds(values: list[Any], form: TimeForm, wrong: Callable[[int, Any], None]) -> F64:
    """(B,) unix seconds of values of any types, NaN where there is none.

    Args:
        wrong: told the place and the value, None where it is null, of each that is no time.
    """
    kinds = set(map(type, values))
    if form not in ("iso", "yyyymmdd"):
        if kinds == {float}:
            return scaled(np.array(values, np.float64), form)
        if kinds == {int}:
            numbers = np.array(values)
            if numbers.dtype == np.int64:
                return scaled(numbers, form)
    times = np.full(len(values), np.nan)
    known: dict[Any, float | None] = {}
    repeats = form == "yyyymmdd"  # one day, many events
    for place, value in enumerate(values):
        if repeats and (kind := type(value)) in (str, int):
            key = kind, value
            if key not in known:
                known[key] = seconds_of(value, form)
            time = known[key]
        else:
            time = None if value is None else seconds_of(value, form)
        if time is None:
            wrong(place, value)
        else:
            times[place] = time
    return times


def unscaled(seconds: float, form: TimeForm) -> float | None:
    """About the number that was read as these unix seconds; None where the form reads no numbers.

    >>> unscaled(1793527.2, "ms")
    1793527200.0
    """
    if form == "serial":
        return round(seconds / 86400 + SERIAL_OF_1970, 6)
    if form in _SECONDS:
        return round(seconds / _SECONDS[form], 6)
    return round(seconds * _PER_SECOND[form], 6) if form in _PER_SECOND else None


def whole_seconds(ticks: I64, unit: str) -> F64:
    """(B,) unix seconds of whole numbers of "s", "ms", "us" or "ns"."""
    per_second = _PER_SECOND[unit]
    return (ticks // per_second).astype(np.float64) + (ticks % per_second) / per_second


def _of_number(value: int | float, form: TimeForm) -> float | None:
    try:
        if form == "yyyymmdd":
            day = _of_day(value)
            return day if day == day else None
        if not is_numeric(form):
            return None
        if type(value) is float and not np.isfinite(value):
            return value
        if form == "serial":
            return float(np.round((float(value) - SERIAL_OF_1970) * 86400, 3))
        if form in _SECONDS:
            return float(value) * _SECONDS[form]
        per_second = _PER_SECOND[form]
        return (
            float(value)
            if per_second == 1
            else float(value // per_second) + (value % per_second) / per_second
        )
    except OverflowError:
        return None


def _of_text(text: str, form: TimeForm) -> float | None:
    if form == "yyyymmdd":
        return _of_number(int(text), form) if _EIGHT_DIGITS.fullmatch(text) else None
    if form != "iso" and _NUMBER.fullmatch(text):
        return _of_number(int(text) if _WHOLE.fullmatch(text) else float(text), form)
    return _of_iso(text) if form in ("iso", "auto") else None


def _of_iso(text: str) -> float | None:
    """Also the forms of BigQuery ("... UTC"), Go ("... +0000 UTC") and Java ("...+00:00[UTC]"). Without a zone: UTC."""
    try:
        return _of_date(datetime.fromisoformat(text))
    except ValueError:
        pass
    bare = _UTC.sub("", _ZONE_NAME.sub("", text))
    named = bare != text
    bare = _OFFSET.sub(r"\1\2", bare)
    if not named and bare == text:
        return None
    try:
        return _of_date(datetime.fromisoformat(bare))
    except ValueError:
        return None


def _of_date(value: date) -> float | None:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _of_day(value: float) -> float:
    """Of a number such as 20261101; NaN where it is no day."""
    number = int(value) if value == value and abs(value) < 1e9 else 0
    if number != value or not 10000101 <= number <= 99991231:
        return float("nan")
    try:
        day = datetime(number // 10000, number // 100 % 100, number % 100, tzinfo=UTC)
    except ValueError:
        return float("nan")
    return day.timestamp()
