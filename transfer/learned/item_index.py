"""The items that compete, by code: what counts and towers say of each, and of each given another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I32, I64, U64
from transfer.codes import NONE, OPEN
from transfer.counts.counts import NEXT, WINDOW, ItemCounts
from transfer.counts.reading import CodedCounts
from transfer.rows import positions_in

TRANSITIONS = 4
"""Features of an own item by transitions."""


@dataclass(frozen=True)
class ItemIndex:
    """N items in a fixed order of codes, with the counts as they are at some time."""

    keys: U64
    """(N,) distinct item keys"""
    towers: F32
    """(N, d)"""
    candidates: I64
    """(C,) codes that may be recommended, ascending"""
    item_scenario: I32
    """(N,) scenario code to which the item belongs, -1: none"""
    scenarios: tuple[str, ...]
    counts: ItemCounts
    _shares: dict[int, F32] = field(default_factory=dict, repr=False)

    @cached_property
    def has_item_scenarios(self) -> bool:
        """Whether items belong to scenarios: then a request that names one is about its items only."""
        return bool((self.item_scenario >= 0).any())

    @cached_property
    def _coded(self) -> CodedCounts:
        return CodedCounts(self.counts, self.keys, self.scenarios)

    @cached_property
    def transitions(self) -> tuple[csr_array, csr_array]:
        """(N, N) float32 twice: what comes in the next basket, and within the window."""
        return self._coded.transitions(NEXT), self._coded.transitions(WINDOW)

    def follow_mass(self, places: I64, scenario: I32) -> F32:
        """(B, M, 2) float32: how much follows each of the places (B, M), codes with -1 for none: among all items, or among
        those of the request's scenario (B,)."""
        scenario_column = np.where((scenario >= 0) & self.has_item_scenarios, scenario + 1, 0)
        column = np.broadcast_to(scenario_column[:, None], places.shape)
        valid = places >= 0
        # Of the places' rows alone: a table of all items by all scenarios is mostly empty, and may not fit.
        rows, row_of = np.unique(places[valid], return_inverse=True)
        mass = np.zeros((*places.shape, 2), np.float32)
        for number, transitions in enumerate(self.transitions):
            begun = transitions[rows]
            in_all = begun.sum(axis=1)
            inside = picked(begun @ self._member, row_of, column[valid]) if self.has_item_scenarios else 0
            mass[valid, number] = np.where(column[valid] > 0, inside, in_all[row_of])
        return mass

    @cached_property
    def _member(self) -> csr_array:
        """(N, 1 + S) float32: 1 at the scenario (1 + code) to which an item belongs."""
        rows = np.flatnonzero(self.item_scenario >= 0)
        places = rows, self.item_scenario[rows].astype(np.int64) + 1
        return csr_array(
            (np.ones(len(rows), np.float32), places), shape=(len(self.keys), 1 + len(self.scenarios))
        )

    @cached_property
    def follows_itself(self) -> F32:
        """(N, 2) share of each item in what follows it, by transition."""
        return np.stack([matrix.diagonal() for matrix in self.transitions], axis=1).astype(np.float32)

    def members(self, scenario: int) -> I64:
        """Codes of the candidates of a request in `scenario` (OPEN: everything)."""
        if scenario < 0 or not self.has_item_scenarios:
            return self.candidates
        chosen: I64 = self.candidates[self.item_scenario[self.candidates] == scenario]
        return chosen

    def asked(self, scenarios: Sequence[str | None]) -> list[tuple[ItemIndex, int]]:
        """For each request itself, and the code of the scenario that the request names.

        OPEN for none, for one that is unknown, and for one without items where items belong to scenarios.
        """
        codes: dict[str | None, int] = {None: OPEN}
        for name in scenarios:
            if name not in codes:
                code = self.scenarios.index(name) if name in self.scenarios else OPEN
                codes[name] = code if len(self.members(code)) else OPEN
        return [(self, codes[name]) for name in scenarios]

    def shares(self, scenario: int = OPEN) -> F32:
        """(N, 2 H) float32 share of each item in all events, or in those of a scenario; then in all debuts."""
        if scenario not in self._shares:
            self._shares[scenario] = self._coded.shares(scenario)
        return self._shares[scenario]

    @cached_property
    def codes(self) -> Callable[[U64], I64]:
        """A function from (K,) item keys to codes, -1 for a key that is none of these items."""
        order = np.argsort(self.keys)
        return lambda keys: positions_in(self.keys, keys, order)

    def at(self, counts: ItemCounts) -> ItemIndex:
        """The same items with other counts."""
        return ItemIndex(self.keys, self.towers, self.candidates, self.item_scenario, self.scenarios, counts)


def own_count_features(index: ItemIndex, own_request: I64, own: I64, places: I64) -> F32:
    """What the counts say of own items: (O, TRANSITIONS + 2 H) float32, log of what leads to it by each transition, of how
    much of what follows it is the item itself (batteries last, milk does not), log shares of all events and of debuts: both
    together show how often people come back to it.

    own (O,) codes; places (B, M) codes, -1 for none, the latest first: they count by one over their place.
    """
    requests, count = places.shape
    valid = places >= 0
    weight = np.where(valid, 1.0 / (1 + np.arange(count)), 0.0)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    rows = np.repeat(np.arange(requests), count).reshape(requests, count)[valid]
    start = csr_array(
        (weight[valid].astype(np.float32), (rows, places[valid])), shape=(requests, len(index.keys))
    )
    known = own >= 0
    shares = index.shares()
    columns = np.zeros((len(own), TRANSITIONS + shares.shape[1]), np.float32)
    for column, transitions in enumerate(index.transitions):
        columns[known, column] = picked(start @ transitions, own_request[known], own[known])
        columns[known, 2 + column] = index.follows_itself[own[known], column]
    columns[known, TRANSITIONS:] = shares[own[known]]
    return (np.log(columns + 1e-6) / 4).astype(np.float32)


def picked(matrix: csr_array, rows: I64, columns: I64) -> F32:
    """(K,) float32 elements of a sparse matrix without repeated elements; a row may have its columns in any order.

    >>> picked(csr_array(np.array([[0.0, 2.0], [3.0, 0.0]])), np.array([0, 1, 1]), np.array([1, 0, 1])).tolist()
    [2.0, 3.0, 0.0]
    """
    if not len(rows) or not matrix.nnz:
        return np.zeros(len(rows), np.float32)
    matrix.sort_indices()
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    flat: F64 | I64 = owner.astype(np.int64) * matrix.shape[1] + matrix.indices
    wanted = rows.astype(np.int64) * matrix.shape[1] + columns
    place = positions_in(flat, wanted)
    return np.where(place != NONE, matrix.data[place], 0.0).astype(np.float32)
