"""The scenario that each item belongs to, if scenarios hold items (departments) and are not entry points (pages)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from transfer.arrays import F32, F64, I32, I64
from transfer.codes import NONE

BELONGING = 0.95
"""Share of events in their items' most frequent scenario from which on items belong to scenarios."""


def item_scenarios(
    item: I64 | I32, scenario: I64 | I32, count: F64 | F32, by_catalogue: I32, scenarios: Sequence[str]
) -> I32:
    """The scenario where an item's events are, if items belong to one at all; else the catalogue's, if events know it too.

    Items belong where at least `BELONGING` of all events lie in the most frequent scenario of their item; of each item one
    event less is counted, since a single one agrees with itself. Elsewhere no item belongs to a scenario, unless the catalogue
    says so in the events' own words; a single scenario holds nothing apart. Evaluation and serving go by this one rule: a
    request that names a scenario is about the same items in both.

    Args:
        item, scenario, count: (R,) how many events there were with an item in a scenario, as codes; pairs may come again, and
            counts may have decayed.
        by_catalogue: (N,) code that the catalogue gives each of N items, NONE for none; from S on: a scenario without events.
        scenarios: (S,) names of the scenarios that events know; of two with as many events the first by name counts.

    Returns:
        (N,) int32 codes below S, NONE for items that belong to none.

    >>> item, scenario = np.array([0, 1, 1]), np.array([1, 0, 0])
    >>> item_scenarios(item, scenario, np.ones(3), np.array([-1, -1, 1], np.int32), ["toys", "garden"]).tolist()
    [1, 0, 1]
    """
    if len(scenarios) < 2:
        return np.full(len(by_catalogue), NONE, np.int32)
    known = np.where(by_catalogue < len(scenarios), by_catalogue, NONE).astype(np.int32)
    by_name = np.argsort(np.array(scenarios, dtype=object), kind="stable")
    place = np.empty(len(by_name), np.int64)
    place[by_name] = np.arange(len(by_name))
    pairs = csr_array(
        (count.astype(np.float64), (item, place[scenario])), shape=(len(by_catalogue), len(scenarios))
    )
    most = pairs.max(axis=1).toarray().reshape(-1)
    total = np.asarray(pairs.sum(axis=1)).reshape(-1)
    others = np.maximum(total - 1, 0).sum()
    if not others or np.maximum(most - 1, 0).sum() < BELONGING * others:
        return known
    own = by_name[np.asarray(pairs.argmax(axis=1)).reshape(-1)]
    return np.where(most > 0, own, known).astype(np.int32)
