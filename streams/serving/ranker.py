"""Ranker: a model's one ranking of items, which `recommend` shows, with reasons, and `evaluate` measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sinks.item_filter import AttributeTest
from transfer.arrays import F32, I64, U64
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True)
class Reason:
    """Which component of a mixture speaks for an item most, and what in the user's past that component goes by."""

    source: str
    """"again", "new", "next", "popular" or "declared\""""
    lead: int = 0
    """of *next*: key of the item that leads to it; 0: none does"""
    lender: str = ""
    """of *new*: the scenario whose interest it answers; "": the model does not tell"""
    scenario: str = ""
    """the one that the item belongs to by its events; "": the catalogue's"""
    text: str = ""
    """of *declared*: what the user said"""


class ItemScores(Protocol):
    """Probabilities of C items for U requests, and why."""

    @property
    def keys(self) -> U64:
        """(C,) distinct item keys."""
        ...

    @property
    def scores(self) -> F32:
        """(U, C); 0 where an item does not compete."""
        ...

    def reasons(self, request: int, columns: I64) -> list[Reason]:
        """Of the items at these columns for one of the requests."""
        ...


class Ranker(Protocol):
    """How a model ranks items for users' states. One object serves many requests; it is as current as its items are."""

    def has_items(self, scenario: str) -> bool:
        """Whether items belong to the scenario: then a request that names it is about them alone, else all compete."""
        ...

    def score(
        self,
        states: InterestStates,
        scenarios: Sequence[str | None],
        k: int,
        *,
        explained: bool = False,
        tests: Sequence[AttributeTest] = (),
    ) -> ItemScores:
        """One request for each of U states, with the scenario that it names (U,), None for none.

        A user's own items and the `k` best of all others that pass the tests are among the items scored, if so many compete;
        items that don't pass may be among them, too. An item's score depends on neither `k` nor the tests. Reasons are given
        if `explained`.
        """
        ...
