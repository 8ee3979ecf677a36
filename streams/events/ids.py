"""One rule for ids, wherever they come from: what a value of a field that holds ids, names or texts says.

A string is itself. A whole number is its decimal text; so is a float that is a whole number below 2^53, beyond which floats
no longer tell whole numbers apart. Truth values, lists, objects and other numbers are no ids. The text "12.0" stays "12.0":
a cell of a CSV is text, as a string of JSON is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from streams.events.columns import Coded, Coder
from streams.events.event import RejectReason

RowRejects = dict[int, tuple[RejectReason, str]]
"""Row -> why it could not be read."""

EXACT_FLOAT: Final = 2.0**53
_NOTHING: Final = type(None)


def id_text(value: Any) -> str | None:
    """The text of a value; None where it is none.

    >>> id_text("a"), id_text(17), id_text(17.0), id_text(1.5), id_text(True)
    ('a', '17', '17', None, None)
    """
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        return _decimal(value)
    if kind is float:
        return str(int(value)) if value.is_integer() and abs(value) < EXACT_FLOAT else None
    if kind is bytes:
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            return None
    if kind is Decimal:
        return _decimal(int(value)) if value.is_finite() and value == value.to_integral_value() else None
    return str(value) if kind is UUID else None


def wrong_id(name: str, value: Any) -> tuple[RejectReason, str]:
    """Why a value that is no id costs its record; the value is not quoted."""
    if type(value) is bytes:
        return "wrong_type", f"{name}: is not UTF-8"
    if type(value) is float:
        return (
            "wrong_type",
            f"{name}: expected a string or an integer, got a number that is not whole below 2^53",
        )
    found = {dict: "an object", list: "a list", bool: "true or false"}.get(type(value), type(value).__name__)
    return "wrong_type", f"{name}: expected a string or an integer, got {found}"


def texts_of(values: list[Any], name: str, start: int, rejects: RowRejects) -> list[str | None]:
    """The text of each value, None for null; a value that is no id costs its row, `start` + its place."""
    kinds = set(map(type, values))
    if kinds <= {str, _NOTHING}:
        return values
    found = [None if value is None else id_text(value) for value in values]
    if None not in found:
        return found
    for place, (value, text) in enumerate(zip(values, found, strict=True)):
        if text is None and value is not None and value == value:  # a float that is no number says nothing
            rejects.setdefault(start + place, wrong_id(name, value))
    return found


def coded_texts(values: list[Any], name: str, rejects: RowRejects, *, empty_is_none: bool) -> Coded:
    """Codes and table of the values' texts, -1 for null and for what is no id."""
    coder = Coder()
    texts = texts_of(values, name, 0, rejects)
    if empty_is_none:
        coder.add_optional(texts)
    else:
        coder.add_nullable(texts)
    return coder.result()


def _decimal(value: int) -> str | None:
    try:
        return str(value)
    except ValueError:  # thousands of digits
        return None
