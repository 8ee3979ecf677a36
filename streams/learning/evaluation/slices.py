"""Slices: what is known of a target before its basket, and the groups of targets that are judged apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.history import History
from streams.learning.queries import Queries, first_rows, new_targets, seen_rows
from transfer.arrays import F64, I32, I64, Bool
from transfer.codes import NONE
from transfer.rows import owners

NEVER = 5
"""A scenario is new to a user up to this many events in it."""
COLD = 5
"""Users and items with fewer earlier events are cold."""
LARGE = 300
"""Scenarios with so many candidates are large: in smaller ones popularity says nearly all."""
DAY = 86400.0
ACTIVITY = ("low", "middle", "high")
UNKNOWN = "unknown"
"""Targets that do not compete: whatever reads more than 0 there knows the future."""
MAIN = (
    "all", "new", "new in the list", "repeat", "moved", "never", "dormant", "emerging", "old",
    "cold-user", "new visitors", UNKNOWN,
)  # fmt: skip
"""What every table shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What holds for each of T targets, of what is strictly earlier than its basket.

    Where times of different users are not compared, what others did is what the events say that are known whenever it is
    (`Candidates.rows`).
    """

    user: I32
    """(T,) int32"""
    known: Bool
    """(T,) the item competes: somebody had an event with it, or the catalogue had it by then"""
    new: Bool
    """(T,) the user had no event with the item"""
    moved: Bool
    """(T,) the item is not in the user's latest earlier basket"""
    scenario: I32
    """(T,) int32 of the event"""
    nth: I64
    """(T,) int64 which event of the user in that scenario it is, from 1 on; one basket's events count alike"""
    idle: F64
    """(T,) float64 time since the user's last event in that scenario; infinite if there is none"""
    user_events: I64
    item_events: I64
    """`user_events` and `item_events`: (T,) int64 earlier events of the user, and with the item by anyone"""
    activity: I64
    """(T,) int64 tercile of the user among those asked for, by events before the first query: 0, 1, 2; users of as many events
    are in one"""
    scenario_items: I64
    """(T,) int64 how many items had events in that scenario"""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Some targets."""

    chosen: Bool
    """(T,) bool"""
    without_own: bool
    """whether the user's earlier items are taken out of the ranking (all targets are new to the user)"""


def facts(history: History, queries: Queries, candidates: Candidates) -> Facts:
    """Find out what holds for each target."""
    rows, query = queries.target_row, queries.target_query
    seen, time, user = queries.seen[query], queries.time[query], queries.user[query]
    scenario, item = history.scenario[rows], queries.target_item
    place = history.user.astype(np.int64) * (len(history.scenarios) + 1) + history.scenario + 1
    in_scenario, latest = _earlier(place, np.arange(len(history)), place[rows], seen)
    by_item, scenario_items = _of_anyone(history, candidates, item, scenario, time)
    return Facts(
        user=user,
        known=candidates.known(item, time),
        new=new_targets(queries, first_rows(history)),
        moved=_moved(history, queries),
        scenario=scenario,
        nth=in_scenario + 1,
        idle=np.where(in_scenario > 0, time - history.time[latest], np.inf),
        user_events=seen - history.offsets[user],
        item_events=by_item,
        activity=_terciles(history, queries)[query],
        scenario_items=scenario_items,
    )


def slices(target_facts: Facts, scenarios: list[str], dormant_s: float = 30 * DAY) -> dict[str, Slice]:
    """The groups of targets by name, without empty ones.

    all; new, repeat (to the user; where all targets are new, own items are taken out of the ranking); "new in the list" (new,
    among all that compete, own items left in); moved; never (1st-5th event in a scenario), dormant (later, but none for
    `dormant_s`), emerging (either), old (neither), each also "/new", and "/new/large" in scenarios of `LARGE` items; cold-user,
    "new visitors" (no earlier event), cold-item; unknown (the target does not compete); activity/...; scenario/....
    """
    never = target_facts.nth <= NEVER
    dormant = ~never & (target_facts.idle > dormant_s)
    visited = {"never": never, "dormant": dormant, "emerging": never | dormant, "old": ~never & ~dormant}
    large = target_facts.scenario_items >= LARGE
    out = {
        "all": Slice(np.ones(len(target_facts.user), np.bool_), False),
        "new": Slice(target_facts.new, True),
        "new in the list": Slice(target_facts.new, False),
        "repeat": Slice(~target_facts.new, False),
        "moved": Slice(target_facts.moved, False),
    }
    for name, chosen in visited.items():
        out[name] = Slice(chosen, False)
        out[f"{name}/new"] = Slice(chosen & target_facts.new, True)
        out[f"{name}/new/large"] = Slice(chosen & target_facts.new & large, True)
    out["cold-user"] = Slice(target_facts.user_events < COLD, False)
    out["new visitors"] = Slice(target_facts.user_events == 0, False)
    out["cold-item"] = Slice(target_facts.item_events < COLD, False)
    out[UNKNOWN] = Slice(~target_facts.known, False)
    for tercile, name in enumerate(ACTIVITY):
        out[f"activity/{name}"] = Slice(target_facts.activity == tercile, False)
    if len(scenarios) > 1:
        for code in np.unique(target_facts.scenario[target_facts.scenario != NONE]).tolist():
            out[f"scenario/{scenarios[code]}"] = Slice(target_facts.scenario == code, False)
    return {name: part for name, part in out.items() if part.chosen.any()}


def _of_anyone(
    history: History, candidates: Candidates, item: I32, scenario: I32, time: F64
) -> tuple[I64, I64]:
    """(T,) earlier events with each item, and (T,) items that had an earlier event in each scenario."""
    rows = candidates.rows if candidates.rows is not None else np.arange(len(history))
    moments, moment = np.unique(history.time[rows], return_inverse=True)
    before = np.searchsorted(moments, time)
    if candidates.rows is not None:
        before[:] = len(moments)
    by_item, _ = _earlier(history.item[rows].astype(np.int64), moment, item, before)
    # The first event of each pair of scenario and item.
    pair = history.scenario[rows].astype(np.int64) * (len(history.items) + 1) + history.item[rows]
    pair[(history.scenario[rows] == NONE) | (history.item[rows] == NONE)] = NONE
    in_time = np.argsort(moment, kind="stable")
    pairs, first = np.unique(pair[in_time], return_index=True)
    place = np.where(pairs >= 0, pairs // (len(history.items) + 1), NONE)
    found, _ = _earlier(place, moment[in_time[first]], scenario, before)
    return by_item, np.where(scenario == NONE, 0, found)


def _earlier(group: I64, order: I64, wanted: I64 | I32, before: I64) -> tuple[I64, I64]:
    """How many events of the group `wanted` have an order below `before`, and the row of the last of them.

    `group` and `order` are (E,), `wanted` and `before` (T,); the row means nothing where there are none.
    """
    if not len(group):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    shifted = group - group.min()
    span = int(order.max()) + 1
    keys = shifted * span + order
    sorted_rows = np.argsort(keys, kind="stable")
    keys = keys[sorted_rows]
    lowest = (wanted.astype(np.int64) - int(group.min())) * span
    end = np.searchsorted(keys, lowest + np.minimum(before, span))
    return end - np.searchsorted(keys, lowest), sorted_rows[np.maximum(end - 1, 0)]


def _moved(history: History, queries: Queries) -> Bool:
    """Whether each target is not in the latest earlier basket of its user."""
    rows, offsets = seen_rows(history, queries)
    if not len(rows):
        return np.ones(queries.targets, np.bool_)
    query = owners(offsets)
    size = offsets[1:] - offsets[:-1]
    last = history.time[np.maximum(queries.seen - 1, 0)]
    latest = history.time[rows] == np.repeat(last, size)
    span = len(history.items) + 1
    stayed = np.unique(query[latest] * span + history.item[rows[latest]] + 1)
    target = queries.target_query * span + queries.target_item + 1
    return ~np.isin(target, stayed)


def _terciles(history: History, queries: Queries) -> I64:
    """(Q,) the tercile of each query's user by the number of events before the user's first query."""
    users, first, back = np.unique(queries.user, return_index=True, return_inverse=True)
    events = queries.seen[first] - history.offsets[users]
    ordered = np.sort(events)
    middle = (np.searchsorted(ordered, events) + np.searchsorted(ordered, events, side="right")) / 2
    tercile: I64 = (middle * len(ACTIVITY) // max(len(users), 1)).astype(np.int64)[back]
    return tercile
