"""KnownPart: what settings may be chosen by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.history import History
from streams.learning.history_part import part_of
from streams.learning.profile.baskets import Baskets, baskets_of
from streams.learning.profile.clock import Clock, clock_of
from streams.learning.profile.facts import LogStatistics, facts_of
from streams.learning.profile.questions import Parts
from streams.learning.profile.scenarios import ScenarioUse, scenario_use
from streams.learning.split import Split, SplitPlan
from transfer.arrays import Bool


@dataclass(frozen=True, slots=True, eq=False)
class KnownPart:
    """The events before the test part of a log, and what is counted of them: nothing after them may sway a setting."""

    history: History
    baskets: Baskets
    clock: Clock
    facts: LogStatistics
    use: ScenarioUse
    parts: Parts | None
    """None: they are too small to ask anything of"""
    split: Split
    """of the whole history"""
    weakness: str
    """why they are, and what to do; "" where they are not"""


def known_part(history: History, stray: Bool, plan: SplitPlan) -> KnownPart:
    """Cut a history as `plan` says, and count what lies before the test part.

    stray: (E,) events of clocks that are wrong, which are left out. A log of which nothing lies before the test part is
    counted as a whole.

    Raises:
        EvaluationError: the shares leave nothing.
    """
    split = plan.cut(history)
    weakness = plan.weakness(split)
    rows = split.before_test if len(split.before_test) else np.arange(len(history))
    own = rows[~stray[rows]]
    part = part_of(history, own if len(own) else rows)
    parts = None
    if not weakness:
        parts = Parts(_among(split.train, part.source), _among(split.validation, part.source))
    baskets = baskets_of(part.history)
    clock, use = clock_of(baskets), scenario_use(part.history)
    return KnownPart(
        history=part.history,
        baskets=baskets,
        clock=clock,
        facts=facts_of(part.history, baskets, clock, use),
        use=use,
        parts=parts,
        split=split,
        weakness=weakness,
    )


def _among(rows: np.ndarray, source: np.ndarray) -> Bool:
    """(E',) whether the row from which each event came is one of `rows`."""
    found: Bool = np.isin(source, rows)
    return found
