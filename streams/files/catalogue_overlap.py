"""How many items of a log a catalogue has, and where hardly any are the same, how their ids may differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

NEARLY_NONE: Final = 0.05
"""A smaller share of a log's items in the catalogue is hardly meant."""
SAMPLE: Final = 500
"""Ids of which it is tried how they would match."""
_LEAST_SHARE: Final = 0.3
"""So many of them have to match for a hint."""

Contains = Callable[[Sequence[str]], Sequence[bool]]
"""Of ids, which the catalogue has."""


@dataclass(frozen=True, slots=True)
class CatalogueOverlap:
    """A log's items beside a catalogue's."""

    log_items: int
    described: int
    """of these, those that the catalogue has"""
    hint: str = ""
    """how ids of the log would be ids of the catalogue; "": nothing was found"""

    @property
    def is_poor(self) -> bool:
        """Whether nearly none of the items are in the catalogue."""
        return self.log_items > 0 and self.described < NEARLY_NONE * self.log_items

    def line(self) -> str:
        """For people.

        >>> CatalogueOverlap(11_444, 312, "in lower case").line()
        'warning: 312 of 11,444 items of the log are in the catalogue; its ids would match in lower case'
        """
        told = f"{self.described:,} of {self.log_items:,} items of the log are in the catalogue"
        if not self.is_poor:
            return told
        return f"warning: {told}" + (
            f"; its ids would match {self.hint}" if self.hint else "; are its ids the same?"
        )


def overlap_of(
    log_ids: Sequence[str], described: int, catalogue_ids: Sequence[str], contains: Contains
) -> CatalogueOverlap:
    """
    Args:
        log_ids: all distinct ids of the log's items.
        described: how many of them the catalogue has.
        catalogue_ids: some ids of the catalogue.
        contains: looks ids up in the catalogue.
    """
    found = CatalogueOverlap(len(log_ids), described)
    if not found.is_poor or not catalogue_ids:
        return found
    step = max(1, len(log_ids) // SAMPLE)
    return CatalogueOverlap(
        len(log_ids), described, id_hint(log_ids[::step][:SAMPLE], catalogue_ids, contains)
    )


def id_hint(log_ids: Sequence[str], catalogue_ids: Sequence[str], contains: Contains) -> str:
    """How most of the log's ids would be ids of the catalogue; "" where none of the usual ways helps.

    >>> shop = {"SKU-1", "SKU-2"}
    >>> id_hint(["1", "2"], ["SKU-1", "SKU-2"], lambda ids: [one in shop for one in ids])
    "with 'SKU-' before them"
    """
    ours, theirs = _prefix(log_ids), _prefix(catalogue_ids)
    width = Counter(map(len, catalogue_ids)).most_common(1)[0][0]
    ways: dict[str, Callable[[str], str]] = {
        "in lower case": str.lower,
        "in upper case": str.upper,
        "without the spaces around them": str.strip,
        "without leading zeros": lambda one: one.lstrip("0"),
        f"padded with zeros to {width} digits": lambda one: one.zfill(width),
        "without .0 behind them": lambda one: one.removesuffix(".0"),
        "with .0 behind them": lambda one: f"{one}.0",
    }
    if ours:
        ways[f"without {ours!r} before them"] = lambda one: one.removeprefix(ours)
    if theirs and theirs != ours:
        ways[f"with {theirs!r} before them"] = lambda one: theirs + one
    if ours and theirs:
        ways[f"with {theirs!r} in place of {ours!r}"] = lambda one: theirs + one.removeprefix(ours)
    best, share = "", _LEAST_SHARE
    for name, way in ways.items():
        tried = [changed for one in log_ids if (changed := way(one)) != one and changed]
        matched = sum(contains(tried)) / len(log_ids) if tried else 0.0
        if matched > share:
            best, share = name, matched
    return best


def _prefix(ids: Sequence[str]) -> str:
    """What all ids begin with, up to the last sign that is no digit: what stands before a number."""
    if len(ids) < 2:
        return ""
    first, last = min(ids), max(ids)  # what these begin with, all others do
    same = next(
        (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first)
    )
    found = re.match(r".*\D", first[:same])
    return found.group() if found else ""
