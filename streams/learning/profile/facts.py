"""What a log is, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streams.learning.history import History
from streams.learning.profile.baskets import Baskets
from streams.learning.profile.clock import Clock
from streams.learning.profile.scenarios import ScenarioUse
from streams.learning.stray_clocks import StrayClocks
from transfer.arrays import F64, I64
from transfer.config import ACTIONS
from transfer.rows import group_starts

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Quantiles = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class LogStatistics:
    """Everything counted over the whole log; shares are of events unless they say otherwise, times are in seconds
    (in events where the timestamps are positions)."""

    events: int
    rejected: int
    users: int
    items: int
    """items with at least one event"""
    catalogue_items: int
    """items of the log or the catalogue"""
    scenarios: int
    """with at least one event"""
    first_time: float
    last_time: float
    actions: dict[str, float]
    repeat_share: float
    """events on an item that the user had at an earlier time"""
    baskets: int
    visits: int
    text_items: float
    """share of the items with events that have text in the catalogue"""
    text_events: float
    """share of events on such items, or with text of their own"""
    events_per_user: Quantiles
    items_per_user: Quantiles
    scenarios_per_user: Quantiles
    basket_size: Quantiles
    visit_events: Quantiles
    gap_within_visit: Quantiles
    gap_between_visits: Quantiles
    span_of_user: Quantiles
    new_scenario_share: float
    first_scenario_share: float
    dormant_scenario_share: float
    late_scenario_users: float
    items_belong_to_scenarios: bool
    clock: Clock
    strays: StrayClocks = StrayClocks()  # noqa: RUF009  # immutable
    """events that none of this counts"""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def facts_of(
    history: History,
    baskets: Baskets,
    clock: Clock,
    use: ScenarioUse,
    action_names: Sequence[str] = ACTIONS,
    strays: StrayClocks = StrayClocks(),  # noqa: B008  # immutable
) -> LogStatistics:
    """Count a history; `own_counts` and `quantiles` say how. action_names: by code."""
    with_item = history.item >= 0
    with_text = np.array([*(bool(text) for text in history.item_texts), False])  # the last stands for no item
    event_counts = np.bincount(history.item[with_item], minlength=len(history.items))
    alive = event_counts > 0
    gaps, pause = np.diff(baskets.time)[~baskets.first[1:]], baskets.visit[1:][~baskets.first[1:]]
    texted = (history.text >= 0) | with_text[history.item]
    sizes = np.diff(history.offsets)
    has_events = sizes > 0  # a user may have nothing but rejected events
    spans = history.time[history.offsets[1:][has_events] - 1] - history.time[history.offsets[:-1][has_events]]
    return LogStatistics(
        events=len(history),
        rejected=history.rejected,
        users=int(has_events.sum()),
        items=int(alive.sum()),
        catalogue_items=len(history.items),
        scenarios=len(np.unique(history.scenario)),
        first_time=float(history.time.min()),
        last_time=float(history.time.max()),
        actions=_action_shares(history, action_names),
        repeat_share=float(repeats(history).mean()),
        baskets=len(baskets),
        visits=len(baskets.visit_starts),
        text_items=float(with_text[:-1][alive].mean()) if alive.any() else 0.0,
        text_events=float(texted.mean()),
        events_per_user=quantiles(sizes[has_events]),
        items_per_user=quantiles(own_counts(history)[has_events]),
        scenarios_per_user=quantiles(use.per_user[has_events]),
        basket_size=quantiles(baskets.size),
        visit_events=quantiles(baskets.visit_events()),
        gap_within_visit=quantiles(gaps[~pause]),
        gap_between_visits=quantiles(gaps[pause]),
        span_of_user=quantiles(spans),
        new_scenario_share=use.new_share,
        first_scenario_share=use.first_share,
        dormant_scenario_share=use.dormant_share,
        late_scenario_users=use.late_users,
        items_belong_to_scenarios=use.belong,
        clock=clock,
        strays=strays,
    )


def _action_shares(history: History, names: Sequence[str]) -> dict[str, float]:
    """Of all events, those that are no acts among them."""
    codes = history.action if history.aside is None else np.append(history.action, history.aside.action)
    return {name: float((codes == code).mean()) for code, name in enumerate(names)}


def quantiles(values: F64 | I64) -> Quantiles:
    """The quantiles of `QUANTILES`, by name; empty without values.

    >>> quantiles(np.arange(101))["q50"]
    50.0
    """
    if not len(values):
        return {}
    return {
        f"q{100 * q:02.0f}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
    }


def own_counts(history: History) -> I64:
    """(U,) distinct items of each user."""
    with_item = history.item >= 0
    pairs = np.unique(history.user[with_item].astype(np.int64) * len(history.items) + history.item[with_item])
    return np.bincount(pairs // max(len(history.items), 1), minlength=len(history.users))


def repeats(history: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(E,) the event is on an item that the user had at a strictly earlier time."""
    order = np.lexsort((history.time, history.item, history.user))
    user, item, time = history.user[order], history.item[order], history.time[order]
    run = group_starts([user, item])
    first = np.repeat(time[run], np.diff(run, append=len(order)))
    again = np.zeros(len(order), np.bool_)
    again[order] = (time > first) & (item >= 0)
    return again
