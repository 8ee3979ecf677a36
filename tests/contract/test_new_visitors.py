"""Users of whom a method knows nothing get the same list from every method: cold slices compare methods, not fallbacks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from streams.learning.evaluation.methods.base import Method, Setup
from streams.learning.evaluation.methods.registry import METHODS, build
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.split import Split, split_of
from streams.settings import Settings
from support.data.histories import history_of
from transfer.arrays import F32

ITEMS, EVENTS = 20, 600
"""So that the usual shares are chosen: the untrained model takes no others unless its settings say so."""
SMALL = Settings.load(
    flags={
        "interest": {"dim": 16},
        "encoder": {"dim": 16},
        "train": {
            "epochs": 1,
            "mixture_epochs": 1,
            "width": 8,
            "refit": False,
            "count_blocks": 2,
            "pool_queries": 64,
            "mixture_queries": 100,
        },
    }
)
POPULARITY = {"popularity", "popularity-7d", "debuts-7d"}
"""Are themselves what is compared with."""
TEXTS = {"content", "words-frozen", "words-tuned"}
"""Need the items' texts."""
NAMES = [name for name in METHODS if name not in POPULARITY | TEXTS and not name.startswith("driftline-")]


@cache
def _log() -> tuple[History, Split]:
    """Regulars who take anything, and every tenth event somebody who has never been seen, who takes one of the first items."""
    rng = np.random.default_rng(5)
    rows = []
    for n in range(EVENTS):
        user, item = (
            (f"v{n}", rng.integers(4)) if n % 10 == 0 else (f"u{rng.integers(8)}", rng.integers(ITEMS))
        )
        rows.append((user, f"i{item}", 3600.0 * n, f"s{item % 3}"))
    history = history_of(rows)
    return history, split_of(history, force=True)


def _new(queries: Queries) -> Queries:
    return queries.take(np.flatnonzero(queries.seen == _log()[0].offsets[queries.user]))


@cache
def _fitted(name: str) -> Method:
    history, split = _log()
    method = build(name, Setup(settings=SMALL, max_seconds=0.3))
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    return method


def _scores(name: str, task: str) -> F32:
    """Of new visitors of the validation part, among items that compete."""
    history, split = _log()
    queries = _new(split.queries(history, "validation", task))
    found = _fitted(name).scores(queries).copy()
    for row, scenario in zip(found, queries.scenario.tolist(), strict=True):
        if scenario >= 0:
            row[history.item_scenario != scenario] = 0
    return found


@pytest.mark.parametrize("task", ["open", "given"])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_gives_new_visitors_the_same(name: str, task: str) -> None:
    """What is popular lately, by the same rule and the same counts; where the request names a scenario, there."""
    found, usual = _scores(name, task), _scores("own", task)
    assert len(found) >= 3 and (found.max(axis=1) > found.min(axis=1)).all()
    np.testing.assert_allclose(found, usual, rtol=1e-4, atol=1e-7)
