"""Counts of a log in memory, as the stream would have counted it."""

from __future__ import annotations

from streams.learning.history import History
from transfer.arrays import I64
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.of_log import LogColumns, counts_of_log


def count_rows(
    history: History, rows: I64, config: CountsConfig, counts: ItemCounts | None = None
) -> ItemCounts:
    """`counts` with these rows of a history (in order of time) added."""
    if not len(rows):
        return counts or empty_counts(config)
    log = LogColumns(
        history.offsets,
        history.time,
        history.item,
        history.item_keys,
        history.scenario,
        history.scenarios,
        history.debut,
    )
    return counts_of_log(log, rows, config, counts)


def shares_alone(config: CountsConfig) -> CountsConfig:
    """For those who don't ask what follows what, which takes most of the time."""
    return config.model_copy(update={"pair_window": 1, "pair_events": 1, "max_pairs": 1})
