"""Steps into counts, and counts into one: sums in float64, decayed to the later reference time, cut to the caps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I32, I64, U64, Bool
from transfer.counts.config import CountsConfig
from transfer.counts.counts import NEXT, WINDOW, ItemCounts, empty_counts
from transfer.counts.steps import Steps
from transfer.rows import group_starts, kept_offsets, offsets_of, owners, rows_of, segment_sum, sizes_of
from transfer.state.decay import decay
from transfer.state.states import renumbering, sorted_names

Pairs = npt.NDArray[np.complex128]
"""Both columns of a transition in one number, so that sparse matrices add both at once: WINDOW + i NEXT."""

MOST_PAIRS = 2_000_000
"""Pairs that are summed at once: about 80 MB."""
SLACK = 2
"""What is counted is cut to a cap when it has passed this many times of it."""
TINY = 1e-6
"""A transition that has decayed to less, or was taken off again, is none."""


def sum_steps(batches: Sequence[Steps], config: CountsConfig) -> ItemCounts:
    """Counts of what was observed in some batches, without caps. Memory: at most 40 bytes for each of their `pairs`.

    >>> from transfer.counts.steps import Sequences, steps_of
    >>> one = Sequences(
    ...     user=np.zeros(2, np.int64), time=np.array([1.0, 2.0]), item=np.array([7, 8], np.uint64),
    ...     scenario=np.zeros(2, np.int32), scenario_names=("books",), fresh=np.ones(2, np.bool_),
    ...     debut=np.ones(2, np.bool_))
    >>> counts = sum_steps([steps_of(one, CountsConfig())], CountsConfig())
    >>> counts.items.tolist(), counts.pair_offsets.tolist(), counts.pair_item.tolist()
    ([7, 8], [0, 1, 1], [1])
    """
    if not batches:
        return empty_counts(config)
    t_ref = max(steps.t_ref for steps in batches)
    rows = np.concatenate([steps.item for steps in batches])
    ascending = np.sort(rows)  # ten times as fast as np.unique on repeated keys
    items = ascending[group_starts([ascending])]
    code = np.searchsorted(items, rows)
    shift = offsets_of(np.array([len(steps.item) for steps in batches]))[:-1].tolist()

    def rows_at(name: str) -> I64:
        return np.concatenate(
            [getattr(steps, name) + begin for steps, begin in zip(batches, shift, strict=True)]
        )

    names = sorted_names(*(steps.scenario_names for steps in batches))
    scenario = np.concatenate([renumbering(s.scenario_names, names)[s.scenario] for s in batches])
    event_time = np.concatenate([steps.event_time for steps in batches])
    events = decay(t_ref - event_time, config.half_lives)
    debut = np.concatenate([steps.debut for steps in batches])
    shares = _summed(
        scenario,
        code[rows_at("event")],
        np.concatenate([events, events * debut[:, None]], axis=1),
        len(items),
    )

    # What leads to a basket, by the basket, times what is in it: the sum over baskets of all pairs.
    last = rows_at("last")
    source, source_ends = _ranges(rows_at("first"), last)
    target, target_ends = _ranges(last, rows_at("stop"))
    basket_time = np.concatenate([steps.basket_time for steps in batches])
    sign = np.concatenate([steps.sign for steps in batches])
    weight = decay(t_ref - basket_time, np.array([config.pair_half_life_s]))[:, 0] * sign
    sizes = sizes_of(source_ends)
    value = np.repeat(weight, sizes).astype(np.complex128)
    value.imag = np.where(source >= np.repeat(rows_at("near"), sizes), value.real, 0.0)
    shape = (len(last), len(items))
    leading = csr_array((value, code[source], source_ends), shape=shape)
    pairs = leading.T.tocsr() @ csr_array((np.ones(len(target)), code[target], target_ends), shape=shape)
    pairs.sort_indices()
    return _assembled(t_ref, items, names, shares, pairs)


def merge_counts(a: ItemCounts, b: ItemCounts, config: CountsConfig) -> ItemCounts:
    """Counts of all that either side counted; the order of the two does not matter. Exact up to rounding below the caps.

    >>> nothing = empty_counts(CountsConfig())
    >>> merge_counts(nothing, nothing, CountsConfig()).pairs
    0
    """
    if not len(a.items) or not len(b.items):
        return trim(b if not len(a.items) else a, config)
    t_ref = max(a.t_ref, b.t_ref)
    items = _union(a.items, b.items)
    names = sorted_names(a.scenarios, b.scenarios)
    code_a, code_b = np.searchsorted(items, a.items), np.searchsorted(items, b.items)
    name_a, name_b = renumbering(a.scenarios, names), renumbering(b.scenarios, names)
    share_a, share_b = (np.tile(decay(np.array([t_ref - s.t_ref]), config.half_lives)[0], 2) for s in (a, b))
    pair_life = np.array([config.pair_half_life_s])
    pair_a, pair_b = (float(decay(np.array([t_ref - s.t_ref]), pair_life)[0, 0]) for s in (a, b))

    shares = _summed(
        np.concatenate([name_a[a.share_scenario], name_b[b.share_scenario]]),
        np.concatenate([code_a[a.share_item], code_b[b.share_item]]),
        np.concatenate([a.share_counts * share_a, b.share_counts * share_b]),
        len(items),
    )
    totals = np.zeros((len(names), a.share_totals.shape[1]))
    totals[name_a] += a.share_totals * share_a
    totals[name_b] += b.share_totals * share_b
    pair_totals = np.zeros((len(items), 2))
    pair_totals[code_a] += a.pair_totals.astype(np.float64) * pair_a
    pair_totals[code_b] += b.pair_totals.astype(np.float64) * pair_b
    pairs = _matrix(a, code_a, pair_a, len(items)) + _matrix(b, code_b, pair_b, len(items))
    merged = _assembled(t_ref, items, names, shares, pairs, (totals, pair_totals))
    return trim(merged, config)


def trim(counts: ItemCounts, config: CountsConfig, slack: float = SLACK) -> ItemCounts:
    """The counts cut to the caps where they have passed `slack` times of them; else the same."""
    kept = np.ones(counts.pairs, np.bool_)
    large = np.flatnonzero(sizes_of(counts.pair_offsets) > slack * config.max_neighbours)
    if len(large):
        # Of the few items that have too many: what is done to all transitions is most of what merging costs.
        at, own_offsets = rows_of(counts.pair_offsets, large)
        owner = owners(own_offsets)
        # By owner, then the heaviest first, in one number: the bits of a positive float ascend as it does.
        lightness = np.uint64(0xFFFFFFFF) - np.abs(counts.pair_counts[at, WINDOW]).view(np.uint32)
        order = np.argsort((owner.astype(np.uint64) << np.uint64(32)) | lightness, kind="stable")
        place = np.arange(len(at)) - own_offsets[owner[order]]
        kept[at[order]] = place < config.max_neighbours
    left = int(np.count_nonzero(kept))
    if left > slack * config.max_pairs:
        candidates = np.flatnonzero(kept)
        heavy = np.abs(counts.pair_counts[candidates, WINDOW])
        lightest = np.argpartition(heavy, left - config.max_pairs)[: left - config.max_pairs]
        kept[candidates[lightest]] = False
    rows = np.ones(len(counts.share_item), np.bool_)
    if len(rows) > slack * config.max_counts:
        total = counts.share_totals.sum(axis=0)
        share = np.divide(
            counts.share_counts, total, out=np.zeros(counts.share_counts.shape), where=total > 0
        )
        greatest = share.max(axis=1)
        rows[np.argpartition(greatest, len(rows) - config.max_counts)[: len(rows) - config.max_counts]] = (
            False
        )
    if kept.all() and rows.all():
        return counts
    return _kept(counts, rows, kept)


def _kept(counts: ItemCounts, rows: Bool, pairs: Bool) -> ItemCounts:
    """The counts without the other counts and transitions, and without items and scenarios that have no count left."""
    known = np.zeros(len(counts.items), np.bool_)
    known[counts.share_item[rows]] = True
    if not known.all():
        pairs = pairs & known[owners(counts.pair_offsets)] & known[counts.pair_item]
    left = np.flatnonzero(pairs)
    code = (np.cumsum(known) - 1).astype(np.int32)
    pair_item = counts.pair_item[left]
    used = np.zeros(len(counts.scenarios), np.bool_)
    used[counts.share_scenario[rows]] = True
    name = (np.cumsum(used) - 1).astype(np.int32)
    return ItemCounts(
        t_ref=counts.t_ref,
        items=counts.items[known],
        scenarios=tuple(counts.scenarios[at] for at in np.flatnonzero(used).tolist()),
        share_scenario=name[counts.share_scenario[rows]],
        share_item=code[counts.share_item[rows]],
        share_counts=counts.share_counts[rows],
        share_totals=counts.share_totals[used],
        pair_offsets=offsets_of(sizes_of(kept_offsets(counts.pair_offsets, pairs))[known]),
        pair_item=pair_item if known.all() else code[pair_item],
        pair_counts=counts.pair_counts[left],
        pair_totals=counts.pair_totals[known],
    )


def _summed(
    scenario: npt.NDArray[Any], item: npt.NDArray[Any], values: F64, items: int
) -> tuple[I32, I32, F64]:
    """Sums (R, C) of the values of each (scenario, item), in their order."""
    cell, place = np.unique(scenario.astype(np.int64) * items + item, return_inverse=True)
    sums = np.empty((len(cell), values.shape[1]))
    for k in range(values.shape[1]):
        sums[:, k] = np.bincount(place, values[:, k], minlength=len(cell))
    return (cell // items).astype(np.int32), (cell % items).astype(np.int32), sums


def _union(a: U64, b: U64) -> U64:
    """All keys of both, ascending. (np.union1d hashes them, though they ascend already.)"""
    both = np.sort(np.concatenate([a, b]), kind="stable")
    return both[group_starts([both])]


def _ranges(begin: I64, end: I64) -> tuple[I64, I64]:
    """The numbers of all ranges, one after the other, and where each range begins among them."""
    ends = offsets_of(end - begin)
    return np.arange(ends[-1]) + np.repeat(begin - ends[:-1], end - begin), ends


def _matrix(counts: ItemCounts, code: I64, factor: float, items: int) -> csr_array:
    """The transitions over a larger list of items, in which `code` ascends: rows and columns keep their order."""
    sizes = np.zeros(items, np.int64)
    sizes[code] = sizes_of(counts.pair_offsets)
    value: Pairs = np.empty(counts.pairs, np.complex128)
    np.multiply(counts.pair_counts[:, WINDOW], factor, out=value.real, dtype=np.float64)
    np.multiply(counts.pair_counts[:, NEXT], factor, out=value.imag, dtype=np.float64)
    moved = counts.pair_item if len(code) == items else code.astype(np.int32)[counts.pair_item]
    return csr_array((value, moved, offsets_of(sizes).astype(np.int32)), shape=(items, items))


def _assembled(
    t_ref: float,
    items: U64,
    names: tuple[str, ...],
    shares: tuple[I32, I32, F64],
    pairs: csr_array,
    totals: tuple[F64, F64] | None = None,
) -> ItemCounts:
    """Sums as counts. shares: as `_summed`; totals: of shares by scenario, and of pairs by item, where the rows are not all."""
    share_scenario, share_item, counts = shares
    value: Pairs = pairs.data
    offsets = pairs.indptr.astype(np.int64)
    if totals is None:
        by_scenario = offsets_of(np.bincount(share_scenario, minlength=len(names)))
        both: F64 = np.empty((len(value), 2))
        both[:, NEXT], both[:, WINDOW] = value.imag, value.real
        totals = segment_sum(counts, by_scenario), segment_sum(both, offsets)
    share_totals, pair_totals = totals
    gone = (np.abs(value.real) <= TINY) & (np.abs(value.imag) <= TINY)
    indices: I32 = pairs.indices.astype(np.int32, copy=False)
    if gone.any():
        left = np.flatnonzero(~gone)
        offsets, indices, value = kept_offsets(offsets, ~gone), indices[left], value[left]
    counted: F32 = np.empty((len(value), 2), np.float32)
    counted[:, NEXT], counted[:, WINDOW] = value.imag, value.real
    return ItemCounts(
        t_ref=t_ref,
        items=items,
        scenarios=names,
        share_scenario=share_scenario,
        share_item=share_item,
        share_counts=counts.astype(np.float32),
        share_totals=share_totals,
        pair_offsets=offsets,
        pair_item=indices,
        pair_counts=counted,
        pair_totals=pair_totals.astype(np.float32),
    )
