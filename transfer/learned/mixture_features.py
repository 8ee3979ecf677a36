"""What a state says about the user's own items, the items that lead on, and the user: the mixture's inputs, without counts.

Everything is a function of the state alone, relative to the user's latest event; what counts of items and transitions add
comes in `transfer.learned.mixture`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.analytic.again import repeat_share
from transfer.arrays import F32, F64, I32, I64, U64, Bool
from transfer.config import InterestConfig, TransferConfig
from transfer.learned.slot_features import horizon_masses
from transfer.rows import (
    last_in_segment,
    offsets_of,
    owners,
    segment_max,
    segment_positions,
    segment_shares,
    segment_sum,
    sizes_of,
)
from transfer.state.emergence import scenario_features
from transfer.state.states import InterestStates

_NO_EVENT = -2


@dataclass(frozen=True, slots=True, eq=False)
class OwnItemFeatures:
    """O own items of B users."""

    offsets: I64
    item: U64
    features: F32
    """(O, Fo)"""


@dataclass(frozen=True, slots=True, eq=False)
class LatestItems:
    """The M latest distinct items of each of B users, the latest first: what item-to-item evidence starts from."""

    item: U64
    """(B, M) key, 0: there are no more"""
    features: F32
    """(B, M, Fp)"""


def own_width(horizons: int, actions: int) -> int:
    """Fo of `own_item_features`."""
    return 3 * horizons + actions + 8


def own_item_features(states: InterestStates, interest: InterestConfig) -> OwnItemFeatures:
    """Features of every own item, (O, 3 K + A + 8) float32.

    In order: log mass (K), log share of the user's mass (K), log age over each half-life (K); log count, log of its rank by
    recency and one over it, whether it is of the latest basket, whether it was met in the scenario of the latest event, its
    share of the user's counts, log number of own items, log events; last action (A).
    """
    offsets, owner = states.own_offsets, owners(states.own_offsets)
    mass = states.own_masses()
    age = np.maximum(states.t_ref[owner] - states.own_last, 0.0)
    rank = _rank_by_recency(states, owner)
    latest = _latest_scenario(states)
    count = states.own_count.astype(np.float64)
    actions = np.eye(len(interest.action_weights))[states.own_action]
    columns = [
        np.log1p(mass),
        np.log(segment_shares(mass, offsets) + 1e-4) / 4,
        np.log1p(np.minimum(age[:, None] / interest.half_lives, 1e6)) / 4,
        np.log1p(count)[:, None],
        np.log1p(rank)[:, None],
        (1.0 / (1.0 + rank))[:, None],
        (age == 0)[:, None],
        (states.own_scenario == latest[owner])[:, None],
        segment_shares(count, offsets)[:, None],
        np.log1p(sizes_of(offsets))[owner][:, None] / 4,
        np.log1p(states.n_events)[owner][:, None] / 4,
        actions,
    ]
    return OwnItemFeatures(offsets, states.own_item, np.concatenate(columns, axis=1).astype(np.float32))


def place_width(actions: int) -> int:
    """Fp of `latest_items`."""
    return actions + 4


def latest_items(states: InterestStates, interest: InterestConfig, count: int) -> LatestItems:
    """The `count` latest distinct items of the rings; features: log rank, log rank of its basket, whether it is of the
    latest basket, whether it was met in the scenario of the latest event; action (A)."""
    owner, item = owners(states.ring_offsets), states.ring_item
    row = np.arange(len(item))
    # The latest row of each item: ring rows ascend by time.
    order = np.lexsort((row, item, owner))
    last = np.ones(len(order), np.bool_)
    last[:-1] = (item[order][1:] != item[order][:-1]) | (owner[order][1:] != owner[order][:-1])
    kept = np.zeros(len(item), np.bool_)
    kept[order[last]] = True
    kept &= item != 0
    rows = np.flatnonzero(kept)
    offsets = offsets_of(np.bincount(owner[rows], minlength=states.users))
    rows = rows[last_in_segment(offsets, count)]
    owner = owner[rows]
    offsets = offsets_of(np.bincount(owner, minlength=states.users))
    place = np.repeat(offsets[1:], sizes_of(offsets)) - 1 - np.arange(len(rows))
    time = states.ring_time[rows]
    fresh = np.ones(len(rows), np.bool_)  # the last row of its basket among those kept
    fresh[:-1] = (time[1:] != time[:-1]) | (owner[1:] != owner[:-1])
    basket = np.cumsum(fresh[::-1])[::-1] - np.append(np.cumsum(fresh[::-1])[::-1], 0)[offsets[1:]][owner] - 1
    latest = _latest_scenario(states)
    features = np.concatenate(
        [
            np.log1p(place)[:, None],
            np.log1p(np.maximum(basket, 0))[:, None],
            (basket <= 0)[:, None],
            (states.ring_scenario[rows] == latest[owner])[:, None],
            np.eye(len(interest.action_weights))[states.ring_action[rows]],
        ],
        axis=1,
    )
    items = np.zeros((states.users, count), np.uint64)
    table = np.zeros((states.users, count, features.shape[1]), np.float32)
    items[owner, place] = item[rows]
    table[owner, place] = features
    return LatestItems(items, table)


def user_width(horizons: int) -> int:
    """Fu of `user_features`."""
    return horizons + 11


def user_features(states: InterestStates, interest: InterestConfig) -> F32:
    """(U, K + 11) float32: how much the user has done, how often it was a repeat, how concentrated it is.

    Log masses (K); log events, log own items, repeat share, share of repeats within the ring, share of the ring on its
    latest item; log ring length; entropy of scenarios, their number, weight of the heaviest; largest share of an own item at
    the shortest and at the longest half-life.
    """
    own = segment_shares(states.own_masses(), states.own_offsets)
    scenarios = scenario_features(states, interest, TransferConfig())
    ring = sizes_of(states.ring_offsets)
    distinct, same = _ring_variety(states)
    columns = [
        horizon_masses(states, interest) / 4,
        np.log1p(states.n_events)[:, None] / 4,
        np.log1p(sizes_of(states.own_offsets))[:, None] / 4,
        repeat_share(states)[:, None],
        (1 - distinct / np.maximum(ring, 1))[:, None],
        (same / np.maximum(ring, 1))[:, None],
        np.log1p(ring)[:, None] / 4,
        scenarios.entropy[:, None],
        np.log1p(sizes_of(states.scenario_offsets))[:, None],
        segment_max(scenarios.share, states.scenario_offsets, 0.0)[:, None],
        segment_max(own[:, 0], states.own_offsets, 0.0)[:, None],
        segment_max(own[:, -1], states.own_offsets, 0.0)[:, None],
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _rank_by_recency(states: InterestStates, owner: I64) -> F64:
    order = np.lexsort((states.own_item, -states.own_last, owner))
    rank = np.empty(len(owner))
    rank[order] = segment_positions(states.own_offsets)
    return rank


def _latest_scenario(states: InterestStates) -> I32:
    """(U,) scenario code of the ring's last event; without one `_NO_EVENT`, which no item has."""
    latest = np.full(states.users, _NO_EVENT, np.int32)
    some = sizes_of(states.ring_offsets) > 0
    latest[some] = states.ring_scenario[states.ring_offsets[1:][some] - 1]
    return latest


def _ring_variety(states: InterestStates) -> tuple[F64, F64]:
    """(U,) distinct items of the ring, and how many of its events are on its latest item."""
    owner, item = owners(states.ring_offsets), states.ring_item
    order = np.lexsort((item, owner))
    first: Bool = np.ones(len(order), np.bool_)
    first[1:] = (item[order][1:] != item[order][:-1]) | (owner[order][1:] != owner[order][:-1])
    distinct = np.bincount(owner[order][first], minlength=states.users).astype(np.float64)
    latest = np.zeros(states.users, np.uint64)
    some = sizes_of(states.ring_offsets) > 0
    latest[some] = item[states.ring_offsets[1:][some] - 1]
    return distinct, segment_sum((item == latest[owner]).astype(np.float64), states.ring_offsets)
