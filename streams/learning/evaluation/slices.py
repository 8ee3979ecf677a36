"""Slices: what is known of a target before its basket, and the groups of targets that are judged apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What holds for each of T targets, of what is strictly earlier than its basket."""

    user: I32
    """(T,) int32"""
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
    """(T,) int64 tercile of the user among those asked for, by events before the first query: 0, 1, 2"""
    scenario_items: I64
    """(T,) int64 how many items have events in that scenario"""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Some targets."""

    chosen: Bool
    """(T,) bool"""
    without_own: bool
    """whether the user's earlier items are taken out of the ranking (all targets are new to the user)"""


def facts(history: History, queries: Queries) -> Facts:
    """Find out what holds for each target."""
    rows, query = queries.target_row, queries.target_query
    seen, time, user = queries.seen[query], queries.time[query], queries.user[query]
    scenario, item = history.scenario[rows], queries.target_item
    place = history.user.astype(np.int64) * (len(history.scenarios) + 1) + history.scenario + 1
    in_scenario, latest = _earlier(place, np.arange(len(history)), place[rows], seen)
    moments, moment = np.unique(history.time, return_inverse=True)
    by_item, _ = _earlier(history.item.astype(np.int64), moment, item, np.searchsorted(moments, time))
    pairs = np.unique(history.scenario.astype(np.int64) * len(history.items) + history.item)
    sizes = np.bincount(pairs[pairs >= 0] // len(history.items), minlength=len(history.scenarios))
    return Facts(
        user=user,
        new=new_targets(queries, first_rows(history)),
        moved=_moved(history, queries),
        scenario=scenario,
        nth=in_scenario + 1,
        idle=np.where(in_scenario > 0, time - history.time[latest], np.inf),
        user_events=seen - history.offsets[user],
        item_events=by_item,
        activity=_terciles(history, queries)[query],
        scenario_items=sizes[np.maximum(scenario, 0)],
    )


def slices(target_facts: Facts, scenarios: list[str], dormant_s: float = 30 * DAY) -> dict[str, Slice]:
    """The groups of targets by name, without empty ones.

    all; new, repeat (to the user; where all targets are new, own items are taken out of the ranking); moved;
    never (1st-5th event in a scenario), dormant (later, but none for `dormant_s`), emerging (either), old (neither), each also
    "/new", and "/new/large" in scenarios of `LARGE` items; cold-user, cold-item; activity/...; scenario/....
    """
    never = target_facts.nth <= NEVER
    dormant = ~never & (target_facts.idle > dormant_s)
    visited = {"never": never, "dormant": dormant, "emerging": never | dormant, "old": ~never & ~dormant}
    large = target_facts.scenario_items >= LARGE
    out = {
        "all": Slice(np.ones(len(target_facts.user), np.bool_), False),
        "new": Slice(target_facts.new, True),
        "repeat": Slice(~target_facts.new, False),
        "moved": Slice(target_facts.moved, False),
    }
    for name, chosen in visited.items():
        out[name] = Slice(chosen, False)
        out[f"{name}/new"] = Slice(chosen & target_facts.new, True)
        out[f"{name}/new/large"] = Slice(chosen & target_facts.new & large, True)
    out["cold-user"] = Slice(target_facts.user_events < COLD, False)
    out["cold-item"] = Slice(target_facts.item_events < COLD, False)
    for tercile, name in enumerate(ACTIVITY):
        out[f"activity/{name}"] = Slice(target_facts.activity == tercile, False)
    if len(scenarios) > 1:
        for code in np.unique(target_facts.scenario[target_facts.scenario != NONE]).tolist():
            out[f"scenario/{scenarios[code]}"] = Slice(target_facts.scenario == code, False)
    return {name: part for name, part in out.items() if part.chosen.any()}


def _earlier(group: I64, order: I64, wanted: I64 | I32, before: I64) -> tuple[I64, I64]:
    """How many events of the group `wanted` have an order below `before`, and the row of the last of them.

    `group` and `order` are (E,), `wanted` and `before` (T,); the row means nothing where there are none.
    """
    shifted = group - group.min()
    span = int(order.max()) + 1
    keys = shifted * span + order
    sorted_rows = np.argsort(keys, kind="stable")
    keys = keys[sorted_rows]
    lowest = (wanted.astype(np.int64) - int(group.min())) * span
    end = np.searchsorted(keys, lowest + before)
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
    rank = np.argsort(np.argsort(events, kind="stable"), kind="stable")
    tercile: I64 = (rank * len(ACTIVITY) // max(len(users), 1))[back]
    return tercile
