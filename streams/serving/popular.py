"""What is popular in a store, by its counts."""

from __future__ import annotations

import numpy as np

from sinks.protocols import BlobStore
from streams.counts.counts import read_counts
from streams.serving.analytic_ranker import AnalyticItems
from streams.serving.refreshed import Refreshed
from transfer.arrays import F32, U64
from transfer.codes import OPEN
from transfer.counts.reading import CodedCounts

MOST = 1000
"""Items that are looked at."""


class StoredPopular:
    """See `streams.serving.aside_ranker.PopularItems`; as of a minute ago at most."""

    def __init__(self, blobs: BlobStore, items: AnalyticItems) -> None:
        """items: of the store, which tell what belongs to a scenario."""
        self._items = items
        self._counts = Refreshed(lambda: read_counts(blobs))

    def popular(self, scenario: str | None) -> tuple[U64, F32]:
        """Shares of first events with an item, in the scenario if events name it; of items that are in the store."""
        counts = self._counts.get()
        code = counts.scenarios.index(scenario) if scenario in counts.scenarios else OPEN
        shares = CodedCounts(counts, counts.items, counts.scenarios).shares(code)[:, -1]
        best = np.argsort(-shares, kind="stable")[:MOST]
        best = best[shares[best] > 0]
        scope = self._items.scope(scenario)
        best = best[self._items.inside(counts.items[best], scope)]
        return counts.items[best], shares[best]
