"""What an item is filtered by: named values beside its text, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose, isfinite
from typing import Any

from sinks.errors import PointRefused
from sinks.validation import check_texts

Scalar = str | int | float | bool
AttributeValue = Scalar | list[Scalar]
Attributes = dict[str, AttributeValue]
"""Name -> value. Integers have 64 bits, floats are finite, texts are what UTF-8 can carry."""

_INT64 = range(-(2**63), 2**63)
_ROUNDING = 1e-12


def check_attributes(rows: Sequence[Mapping[str, Any]]) -> None:
    """All are such values.

    Raises:
        PointRefused: otherwise, naming the row but no value.
    """
    for row, attributes in enumerate(rows):
        values = [
            value for held in attributes.values() for value in (held if isinstance(held, list) else [held])
        ]
        check_texts([*attributes, *(value for value in values if isinstance(value, str))], "attributes")
        if not all(_is_scalar(value) for value in values):
            raise PointRefused(f"attributes: row {row} has a value that is no text, number or boolean")


def same_attributes(one: Mapping[str, AttributeValue], other: Mapping[str, AttributeValue]) -> bool:
    """Whether they say the same. An engine may change the last bit of a float, and has one kind of number.

    >>> same_attributes({"price": 5}, {"price": 5.0}), same_attributes({"sale": 1}, {"sale": True})
    (True, False)
    """
    if one.keys() != other.keys():
        return False
    return all(_same(value, other[name]) for name, value in one.items())


def _same(one: AttributeValue, other: AttributeValue) -> bool:
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    if _is_number(one) and _is_number(other):
        return one == other or isclose(float(one), float(other), rel_tol=_ROUNDING)  # type: ignore[arg-type]
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_scalar(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return value in _INT64
    return isinstance(value, str | bool) or (isinstance(value, float) and isfinite(value))
