"""Tests of items' attributes: as conditions of an engine's search, and of an item that was read, with one meaning.

An attribute that is a list passes where one of its values does. `hidden` and dates of availability are tested by these, too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sinks.attributes import AttributeValue, Scalar
from sinks.collection import Bound, Where
from sinks.layout import ATTRIBUTES, FLAGS

Comparison = Literal["=", "!=", "<", "<=", ">", ">="]

_ORDER: Final[dict[Comparison, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class AttributeTest:
    """One test of one attribute.

    >>> AttributeTest("price", "<", 20).passes({"price": 19.5}), AttributeTest("price", "<", 20).passes({})
    (True, False)
    """

    name: str
    """without double quotes"""
    comparison: Comparison
    value: Scalar
    """<, <=, >, >= take a number, or the text of an ISO 8601 time with its zone"""
    absent: bool = False
    """whether an item without the attribute passes; it always does for `!=`"""

    def passes(self, attributes: Mapping[str, AttributeValue]) -> bool:
        """Whether an item with these attributes does."""
        held = attributes.get(self.name)
        values = held if isinstance(held, list) else [] if held is None else [held]
        if not values:
            return self.absent or self.comparison == "!="
        if self.comparison in ("=", "!="):
            return any(_equal(value, self.value) for value in values) == (self.comparison == "=")
        compare = _ORDER[self.comparison]
        if isinstance(self.value, str):
            limit = _moment(self.value)
            return any(
                (moment := _moment(value)) is not None and limit is not None and compare(moment, limit)
                for value in values
            )
        return any(_is_number(value) and compare(value, self.value) for value in values)

    def where(self) -> Where:
        """What an engine is asked: all items that pass match, and hardly another."""
        field = attribute_field(self.name)
        if self.comparison == "=" or self.comparison == "!=":
            equal = self._equal(field)
            found = equal if self.comparison == "=" else Where(none_of=(equal,))
        else:
            found = Where(bounds=(Bound(field, self.comparison, self.value),))
        if self.absent and self.comparison != "!=":
            return Where(any_of=(found, Where(absent=(field,))))
        return found

    def _equal(self, field: str) -> Where:
        # Booleans by the names of those that are true: the embedded engine takes True for the integer 1.
        if self.value is True:
            return Where(equals={FLAGS: (self.name,)})
        if self.value is False:
            return Where(none_of=(Where(equals={FLAGS: (self.name,)}), Where(absent=(field,))))
        if isinstance(self.value, str):
            return Where(equals={field: (self.value,)})
        return Where(bounds=(Bound(field, ">=", self.value), Bound(field, "<=", self.value)))


def passes_all(tests: Iterable[AttributeTest], attributes: Mapping[str, AttributeValue]) -> bool:
    """Whether an item with these attributes passes every test."""
    return all(test.passes(attributes) for test in tests)


def flags_of(attributes: Mapping[str, AttributeValue]) -> list[str]:
    """Names of the attributes that are true, or hold a true.

    >>> flags_of({"hidden": True, "sale": False, "price": 1})
    ['hidden']
    """
    return [
        name
        for name, value in attributes.items()
        if value is True or (isinstance(value, list) and any(one is True for one in value))
    ]


def attribute_field(name: str) -> str:
    """The field of an item's payload that holds the attribute, as a filter names it.

    >>> attribute_field("Variant Price")
    'attributes."Variant Price"'
    """
    return f'{ATTRIBUTES}."{name}"'


def _equal(value: Scalar, wanted: Scalar) -> bool:
    if _is_number(value) and _is_number(wanted):
        return value == wanted
    return type(value) is type(wanted) and value == wanted


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
