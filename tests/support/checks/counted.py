"""What counts say, read off in plain Python: the reference of `transfer.counts.reading`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.steps import Sequences, steps_of
from transfer.counts.sums import sum_steps


@dataclass(frozen=True)
class Neighbours:
    """Items that follow some items: those of item f are the rows `offsets[f]:offsets[f + 1]`, by key."""

    offsets: np.ndarray
    items: np.ndarray
    probabilities: np.ndarray
    """(M, 2) share of all that followed: in the next basket, within the window"""


def observe(sequences: Sequences, config: CountsConfig) -> ItemCounts:
    """Counts of the new events alone."""
    steps = steps_of(sequences, config)
    return empty_counts(config) if steps is None else sum_steps([steps], config)


def item_shares(
    counts: ItemCounts, keys: Sequence[int] | np.ndarray, scenario: str | None = None
) -> np.ndarray:
    """(N, 2 H) share of each item in all events (of the scenario, if one is named), by half-life; then in all debuts."""
    asked = [code for code, name in enumerate(counts.scenarios) if scenario in (None, name)]
    total = counts.share_totals[asked].sum(axis=0)
    shares = np.zeros((len(keys), 2 * counts.horizons))
    rows = zip(counts.share_scenario.tolist(), counts.share_item.tolist(), counts.share_counts, strict=True)
    for code, item, count in rows:
        if code in asked:
            shares[keys == counts.items[item]] += np.divide(
                count, total, out=np.zeros(len(total)), where=total > 0
            )
    return np.clip(shares, 0, 1)


def neighbours(counts: ItemCounts, keys: np.ndarray) -> Neighbours:
    """Which items follow each of (F,) items, and how likely; none for an item that is not known."""
    offsets, items, probabilities = [0], [], []
    for key in keys.tolist():
        for code in np.flatnonzero(counts.items == key).tolist():
            rows = slice(*counts.pair_offsets[code : code + 2].tolist())
            total = counts.pair_totals[code].astype(np.float64)
            items += counts.items[counts.pair_item[rows]].tolist()
            ratio = np.divide(
                counts.pair_counts[rows], total, out=np.zeros((rows.stop - rows.start, 2)), where=total > 0
            )
            probabilities += np.clip(ratio, 0, 1).tolist()
        offsets.append(len(items))
    return Neighbours(np.array(offsets), np.array(items, np.uint64), np.array(probabilities).reshape(-1, 2))
