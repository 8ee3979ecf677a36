"""Small counts of items and transitions, decayed and mergeable by addition: how much goes to each item, what follows what.

They are fitted on a log (`counts_of_log`), kept current from the stream (`steps_of`, `sum_steps`, `merge_counts`), and read by
recommenders (`CodedCounts`). Exact, whatever the order and the batches of the events, below the caps of
`CountsConfig` and as long as the known events that come with new ones reach back over the window. Of debuts, events that are
their user's first with the item, the one that is applied first counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I32, I64, U64, Bool
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.steps import Sequences, Steps, steps_of
from transfer.counts.sums import MOST_PAIRS, merge_counts, sum_steps
from transfer.rows import group_starts, owners


@dataclass(frozen=True, slots=True, eq=False)
class LogColumns:
    """E events of U users in memory, each user's in order of time."""

    offsets: I64
    """(U + 1,) rows of each user"""
    time: F64
    """(E,) seconds"""
    item: I32
    """(E,) position in `item_keys`, -1: none"""
    item_keys: U64
    """(N,)"""
    scenario: I32
    """(E,) position in `scenarios`"""
    scenarios: Sequence[str]
    debut: Bool
    """(E,) whether the event is its user's first with the item"""


def sequences_of_rows(log: LogColumns, rows: I64, config: CountsConfig) -> Sequences:
    """Some rows of a log as new events, with what each user did before the first of them.

    Args:
        rows: (B,) distinct rows, in any order; a user's earlier rows are taken for counted.
        config: how far to look back.
    """
    offsets = log.offsets
    rows = np.sort(rows)
    user = np.searchsorted(offsets, rows, side="right") - 1
    starts = group_starts([user]) if len(rows) else np.zeros(0, np.int64)
    first = rows[starts]
    # So many events hold the window, but for text alone and repeats within a basket, which shorten it a little.
    begin = np.maximum(offsets[user[starts]], first - 2 * config.pair_events)
    sizes = first - begin
    ends = np.concatenate([[0], np.cumsum(sizes)])
    known = np.arange(ends[-1]) + np.repeat(begin - ends[:-1], sizes)
    every = np.concatenate([known, rows])
    order = np.argsort(every, kind="stable")
    fresh = np.concatenate([np.zeros(len(known), np.bool_), np.ones(len(rows), np.bool_)])[order]
    every = every[order]
    return Sequences(
        user=owners(offsets)[every],
        time=log.time[every],
        item=np.append(log.item_keys, np.uint64(0))[log.item[every]],
        scenario=log.scenario[every],
        scenario_names=log.scenarios,
        fresh=fresh,
        debut=log.debut[every],
    )


def counts_of_log(
    log: LogColumns, rows: I64, config: CountsConfig, counts: ItemCounts | None = None, block: int = 20_000
) -> ItemCounts:
    """`counts` (nothing, if None) with these rows of a log added, block by block in the order of `rows`.

    Rows in order of time give what the stream would give.
    """
    total = empty_counts(config) if counts is None else counts
    waiting: list[Steps] = []
    pairs = 0
    for begin in range(0, len(rows), block):
        chunk = rows[begin : begin + block]
        steps = steps_of(sequences_of_rows(log, chunk, config), config)
        if steps is not None:
            waiting.append(steps)
            pairs += steps.pairs
        if pairs >= max(MOST_PAIRS, total.pairs):
            total = merge_counts(total, sum_steps(waiting, config), config)
            waiting, pairs = [], 0
    return merge_counts(total, sum_steps(waiting, config), config)
