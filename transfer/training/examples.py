"""Training examples: at every position of a log the state right before it, and what came next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F16, F32, F64, I32, I64
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.learned.slot_features import horizon_masses, horizon_sums, slot_features, unit_slots
from transfer.rows import offsets_of, owners, rows_of, sizes_of
from transfer.training.walk import EventLog, baskets, walk


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """P positions in order of (user, time); each is asked for the distinct items of its basket.

    Vectors are kept in float16: unit vectors lose a thousandth at most.
    """

    row: I64
    """(P,) first event of the basket; the user's events before it are known"""
    user: I32
    time: F64
    horizons: F16
    """(P, K, D)"""
    masses: F32
    """(P, K)"""
    slot_offsets: I64
    slots: F16
    """(S, D)"""
    features: F32
    """(S, F)"""
    slot_scenario: I32
    """(S,) code in the log's scenario names"""
    target_offsets: I64
    target_item: I32
    """(T,)"""
    target_scenario: I32

    def __len__(self) -> int:
        return len(self.row)


def examples(log: EventLog, config: InterestConfig, start: float = -np.inf) -> Examples:
    """All positions from time `start` on whose user has an earlier event, in one pass over the log.

    About (K + slots) * 2 D bytes a position are held.
    """
    code = {name: position for position, name in enumerate(log.scenario_names)}
    waves: list[tuple[I64, F16, F32, I64, F16, F32, I32]] = []
    basket: list[I64] = []
    for wave in walk(log, config, start):
        states = wave.states
        names = np.array([code.get(name, NONE) for name in states.scenario_names], np.int32)
        waves.append(
            (
                wave.row,
                horizon_sums(states).astype(np.float16),
                horizon_masses(states, config),
                sizes_of(states.scenario_offsets),
                unit_slots(states).astype(np.float16),
                slot_features(states, config),
                names[states.scenario_code],
            )
        )
        basket.append(wave.basket)
    row, horizons, masses, sizes, slots, features, scenario = (
        np.concatenate(column) for column in zip(*waves, strict=True)
    )
    order = np.argsort(row, kind="stable")
    rows, slot_offsets = rows_of(offsets_of(sizes), order)
    target_offsets, target_item, target_scenario = _targets(log, np.concatenate(basket)[order])
    return Examples(
        row=row[order],
        user=log.user[row[order]],
        time=log.time[row[order]],
        horizons=horizons[order],
        masses=masses[order],
        slot_offsets=slot_offsets,
        slots=slots[rows],
        features=features[rows],
        slot_scenario=scenario[rows],
        target_offsets=target_offsets,
        target_item=target_item,
        target_scenario=target_scenario,
    )


def _targets(log: EventLog, basket: I64) -> tuple[I64, I32, I32]:
    """Distinct items of each basket, and the scenario in which each was first met there."""
    rows, offsets = rows_of(np.append(baskets(log), len(log)), basket)
    position = owners(offsets)
    item = log.item[rows]
    order = np.lexsort((np.arange(len(rows)), item, position))
    order = order[item[order] >= 0]
    first = np.ones(len(order), np.bool_)
    first[1:] = (item[order][1:] != item[order][:-1]) | (position[order][1:] != position[order][:-1])
    kept = np.sort(order[first])
    counts = np.bincount(position[kept], minlength=len(basket))
    return offsets_of(counts), item[kept], log.scenario[rows[kept]]


def gaps_of(log: EventLog) -> F64:
    """(E,) seconds since the same user's event before; 0 for the first."""
    gaps = np.zeros(len(log))
    same = log.user[1:] == log.user[:-1]
    gaps[1:] = np.where(same, log.time[1:] - log.time[:-1], 0.0)
    return gaps
