"""The items that compete, by code: what counts and towers say of each, and of each given another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I32, I64, U64
from transfer.codes import OPEN
from transfer.counts.counts import ItemCounts
from transfer.counts.reading import CodedCounts
from transfer.learned.pool import log_shares
from transfer.rows import ascending_order, owners, positions_in, rows_of

TRANSITIONS = 4
"""Features of an own item by transitions."""
MOST_HELD = 16
"""Times the catalogue: shares of more items of scenarios are not held."""


@dataclass(frozen=True, slots=True, eq=False)
class MemberShares:
    """What is counted of the C candidates of requests in one scenario."""

    shares: F32
    """(C, 2 H) as `ItemIndex.shares`"""
    logs: F32
    """(C, 2 H) logs of the smoothed shares (`transfer.learned.pool`)"""


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
    base: F32 | None = None
    """(N, D) unit vectors of the items, what declared interests are compared with; None: they are not"""
    _counted: CodedCounts | None = field(default=None, repr=False)
    _members: dict[int, I64] = field(default_factory=dict, init=False, repr=False)
    _member_shares: dict[int, MemberShares] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def has_item_scenarios(self) -> bool:
        """Whether items belong to scenarios: then a request that names one is about its items only."""
        return bool((self.item_scenario >= 0).any())

    @cached_property
    def _coded(self) -> CodedCounts:
        return self._counted or CodedCounts(self.counts, self.keys, self.scenarios)

    @property
    def transitions(self) -> tuple[csr_array, csr_array]:
        """(N, N) float32 twice: what comes in the next basket, and within the window."""
        return self._coded.transitions

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
        if scenario not in self._members:
            self._members[scenario] = self.candidates[self.item_scenario[self.candidates] == scenario]
        return self._members[scenario]

    def member_towers(self, scenario: int) -> F32:
        """(C, d) towers of `members`."""
        members = self.members(scenario)
        return self.towers if len(members) == len(self.keys) else self.towers[members]

    def member_base(self, scenario: int) -> F32 | None:
        """(C, D) base vectors of `members`."""
        members = self.members(scenario)
        return self.base if self.base is None or len(members) == len(self.keys) else self.base[members]

    def member_shares(self, scenario: int) -> MemberShares:
        """Of `members`; held, since nothing of it depends on who asks."""
        found = self._member_shares.get(scenario)
        if found is None:
            members = self.members(scenario)
            shares = self.shares(scenario)
            shares = shares if len(members) == len(shares) else shares[members]
            found = MemberShares(shares, log_shares(torch.from_numpy(shares)).numpy())
            if sum(len(one.shares) for one in self._member_shares.values()) > MOST_HELD * len(self.keys):
                self._member_shares.clear()  # scenarios may be many, and all items compete in each
            self._member_shares[scenario] = found
        return found

    def among(self, candidates: I64) -> ItemIndex:
        """The same items and counts with other candidates (C,), ascending."""
        return replace(self, candidates=candidates, _counted=self._coded)

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
        return self._coded.open_shares if scenario == OPEN else self._coded.shares(scenario)

    def shares_at(self, scenario: int, codes: I64) -> F32:
        """(K, 2 H) `shares` of some items."""
        return self._coded.shares_at(scenario, codes)

    def totals(self, scenario: int = OPEN) -> F64:
        """(2 H,) float64 of how many decayed events those are shares, and of how many debuts."""
        return self._coded.totals(scenario)

    @cached_property
    def codes(self) -> Callable[[U64], I64]:
        """A function from (K,) item keys to codes, -1 for a key that is none of these items."""
        order = ascending_order(self.keys)
        return lambda keys: positions_in(self.keys, keys, order)

    def at(self, counts: ItemCounts) -> ItemIndex:
        """The same items with other counts."""
        return ItemIndex(
            self.keys, self.towers, self.candidates, self.item_scenario, self.scenarios, counts, self.base
        )

    def prepared(self) -> ItemIndex:
        """Itself, with all there that does not depend on a request: who asks first would wait for it."""
        self.codes(self.keys[:1])
        self.follow_mass(np.zeros((1, 1), np.int64), np.array([OPEN], np.int32))
        own_count_features(self, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 1), np.int64))
        self.member_shares(OPEN)
        return self

    def placed(self, item_scenario: I32) -> ItemIndex:
        """The same items and counts, where items belong elsewhere: item_scenario (N,)."""
        return replace(self, item_scenario=item_scenario, _counted=self._coded)


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
    # Of the rows that are asked for alone: a matrix of all items may have millions of elements.
    asked, row_of = np.unique(rows, return_inverse=True)
    at, offsets = rows_of(matrix.indptr, asked)
    width = int(matrix.shape[1])
    place = positions_in(owners(offsets) * width + matrix.indices[at], row_of * width + columns)
    values = np.append(matrix.data[at], 0)  # of NONE: the last
    return values[place].astype(np.float32)
