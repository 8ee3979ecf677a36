"""Which items may be shown: those that are available at a time, and those that pass what a request says of attributes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, get_args

from sinks.attributes import Scalar
from sinks.item_filter import AttributeTest, Comparison
from streams.errors import SettingsError
from streams.events.attributes import AVAILABLE_FROM, AVAILABLE_UNTIL, HIDDEN, iso_time
from streams.events.times import seconds_of

_TERM: Final = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<name>[^=!<>,"]+?))\s*(?P<comparison>!=|<=|>=|=|<|>)\s*"""
    r"""(?:"(?P<text>[^"]*)"|(?P<value>[^,"]*?))\s*(?:,|\Z)"""
)
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def available_at(now: float) -> tuple[AttributeTest, ...]:
    """The tests of an item that is shown at `now`, in unix seconds: it is not hidden, its `available_from` has come and its
    `available_until` has not. An item that does not say is shown."""
    moment = iso_time(datetime.fromtimestamp(now, UTC))
    return (
        AttributeTest(HIDDEN, "!=", True),
        AttributeTest(AVAILABLE_FROM, "<=", moment, absent=True),
        AttributeTest(AVAILABLE_UNTIL, ">", moment, absent=True),
    )


def parse_tests(text: str) -> tuple[AttributeTest, ...]:
    """Tests from `price<20,brand=acme,on_sale=true`; an empty text says nothing.

    Names and texts with signs of their own stand in double quotes, and so do texts that look like numbers. `<`, `<=`, `>`
    and `>=` compare numbers, or times in ISO 8601 (UTC unless they name their zone). An item without the attribute passes
    `!=` alone.

    >>> [test.value for test in parse_tests('price<20, "Variant SKU"="0042", released>=2026-03-01')]
    [20, '0042', '2026-03-01T00:00:00Z']

    Raises:
        SettingsError: not of that form.
    """
    tests: list[AttributeTest] = []
    start = 0
    while start < len(text.rstrip()):
        found = _TERM.match(text, start)
        if found is None:
            raise SettingsError(
                f"--where: {text[start : start + 40].strip()!r} is not of the form NAME=VALUE, with one of = != < <= > >=; "
                "names and texts with signs of their own stand in double quotes"
            )
        start = found.end()
        tests.append(_test(found))
    return tuple(tests)


def parse_moment(text: str) -> float:
    """Unix seconds of a time.

    >>> parse_moment("2026-03-01T12:00:00+02:00")
    1772359200.0

    Raises:
        SettingsError: it is none.
    """
    seconds = seconds_of(text, "auto")
    if seconds is None or not 0 <= seconds < 1e11:
        raise SettingsError(
            f"--at {text!r} is not a time; give unix seconds, or a date such as 2026-11-25T12:00:00 (UTC)"
        )
    return seconds


def _test(found: re.Match[str]) -> AttributeTest:
    name = found["quoted"] or found["name"].strip()
    comparison: Comparison = next(one for one in get_args(Comparison) if one == found["comparison"])
    value = _value(found["text"], found["value"] or "")
    if comparison in ("=", "!="):
        return AttributeTest(name, comparison, value)
    if isinstance(value, str):
        seconds = seconds_of(value, "iso")
        if seconds is None:
            raise SettingsError(f"--where: {name} {comparison} compares numbers, or times such as 2026-03-01")
        value = iso_time(datetime.fromtimestamp(seconds, UTC))
    if isinstance(value, bool):
        raise SettingsError(f"--where: {name} {comparison} compares numbers or times, not true or false")
    return AttributeTest(name, comparison, value)


def _value(quoted: str | None, bare: str) -> Scalar:
    if quoted is not None:
        return quoted
    if bare in ("true", "false"):
        return bare == "true"
    if _NUMBER.fullmatch(bare):
        return int(bare) if bare.lstrip("-").isdigit() else float(bare)
    return bare
