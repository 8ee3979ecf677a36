"""What the counts say: shares of items, and which items follow which."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I32, I64, U64
from transfer.codes import NONE, OPEN
from transfer.counts.counts import NEXT, WINDOW, ItemCounts
from transfer.rows import owners, positions_in


class CodedCounts:
    """Counts over the item codes of a log or catalogue in memory: what training and evaluation read."""

    def __init__(self, counts: ItemCounts, item_keys: U64, scenarios: Sequence[str] = ()) -> None:
        """item_keys: (N,) distinct, in order of codes; scenarios: names in order of codes."""
        self._counts = counts
        self._keys = item_keys
        self._scenarios = scenarios

    @cached_property
    def _code(self) -> I64:
        """(items of the counts,) code of each, -1: it is none of these."""
        return positions_in(self._keys, self._counts.items, np.argsort(self._keys))

    def shares(self, scenario: int = OPEN) -> F32:
        """(N, 2 H) share of each item in all events by half-life, then in all debuts: everywhere (OPEN), or in the scenario of
        that code. Only items with events there are looked at: scenarios may be hundreds, and most items in few of them."""
        counts, result = self._counts, np.zeros((len(self._keys), 2 * self._counts.horizons), np.float32)
        values: F32 | F64
        items: I32 | I64
        if scenario == OPEN:
            values, total = _by_item(counts), counts.share_totals.sum(axis=0)
            items = np.arange(len(counts.items))
        else:
            rows, total = _rows(counts, self._scenarios[scenario])
            values, items = counts.share_counts[rows], counts.share_item[rows]
        known = np.flatnonzero(self._code[items] >= 0)
        result[self._code[items[known]]] = _ratio(values[known], total)
        return result

    def shares_at(self, scenario: int, codes: I64) -> F32:
        """(K, 2 H) `shares` of some items, by their own counts alone.

        >>> from transfer.counts.counts import empty_counts
        >>> from transfer.counts.config import CountsConfig
        >>> coded = CodedCounts(empty_counts(CountsConfig()), np.array([5, 3], np.uint64), ("a",))
        >>> coded.shares_at(0, np.array([1, 1, 0])).shape
        (3, 8)
        """
        if scenario == OPEN:
            return self.open_shares[codes]
        counts = self._counts
        rows, total = _rows(counts, self._scenarios[scenario])
        place = positions_in(counts.share_item[rows], self._item[codes])
        found = np.zeros((len(codes), 2 * counts.horizons), np.float32)
        there = (place != NONE) & (self._item[codes] != NONE)
        found[there] = _ratio(counts.share_counts[rows][place[there]], total)
        return found

    @cached_property
    def _item(self) -> I64:
        """(N,) place of each code among the items of the counts, -1: it has no count."""
        return positions_in(self._counts.items, self._keys)

    @cached_property
    def open_shares(self) -> F32:
        """(N, 2 H) the shares in all events."""
        return self.shares(OPEN)

    def totals(self, scenario: int = OPEN) -> F64:
        """(2 H,) decayed events of all items by half-life, then debuts: everywhere, or in the scenario of that code."""
        if scenario == OPEN:
            everywhere: F64 = self._counts.share_totals.sum(axis=0)
            return everywhere
        return _rows(self._counts, self._scenarios[scenario])[1]

    @cached_property
    def transitions(self) -> tuple[csr_array, csr_array]:
        """(N, N) twice, rows and columns ascending: probability that an item (column) comes in the next basket after another
        (row), and within the window; NEXT and WINDOW of `transfer.counts.counts`.

        >>> from transfer.counts.counts import empty_counts
        >>> from transfer.counts.config import CountsConfig
        >>> CodedCounts(empty_counts(CountsConfig()), np.array([5, 3], np.uint64)).transitions[NEXT].shape
        (2, 2)
        """
        counts, code = self._counts, self._code
        owner = owners(counts.pair_offsets)
        rows, columns = code[owner], code[counts.pair_item]
        kept = np.flatnonzero((rows >= 0) & (columns >= 0))
        ratio = _ratio(counts.pair_counts[kept], counts.pair_totals[owner[kept]].astype(np.float64))
        pairs = rows[kept], columns[kept], ratio.astype(np.float32)
        return self._matrix(*pairs, NEXT), self._matrix(*pairs, WINDOW)

    def _matrix(self, start: I64, end: I64, probability: F32, column: int) -> csr_array:
        some = np.flatnonzero(probability[:, column] > 0)
        size = (len(self._keys), len(self._keys))
        matrix = csr_array((probability[some, column], (start[some], end[some])), shape=size)
        matrix.sort_indices()
        return matrix


def _by_item(counts: ItemCounts) -> F64:
    """Counts of all items in all scenarios, (N, 2 H)."""
    by_item = np.zeros((len(counts.items), counts.share_counts.shape[1]))
    for k in range(by_item.shape[1]):
        by_item[:, k] = np.bincount(counts.share_item, counts.share_counts[:, k], minlength=len(by_item))
    return by_item


def _rows(counts: ItemCounts, scenario: str) -> tuple[slice, F64]:
    """Where the counts of a scenario are, one row an item, and their totals (2 H,)."""
    if scenario not in counts.scenarios:
        return slice(0, 0), np.zeros(2 * counts.horizons)
    code = counts.scenarios.index(scenario)
    begin, end = np.searchsorted(counts.share_scenario, [code, code + 1]).tolist()
    return slice(begin, end), counts.share_totals[code]


def _ratio(part: F32 | F64, total: F64) -> F64:
    """Part of a total, in [0, 1]; 0 where the total is."""
    ratio = np.divide(part, total, out=np.zeros(part.shape), where=np.broadcast_to(total > 0, part.shape))
    clipped: F64 = np.clip(ratio, 0.0, 1.0)
    return clipped
