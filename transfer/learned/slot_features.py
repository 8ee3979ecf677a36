"""What the network reads of a state besides vectors: (S, F) features of slots, (U, K) of horizons, bounded and smooth."""

from __future__ import annotations

import numpy as np

from transfer.arrays import F32, F64
from transfer.config import InterestConfig, TransferConfig
from transfer.rows import segment_shares, segment_sum
from transfer.state.emergence import ScenarioFeatures, scenario_features
from transfer.state.states import InterestStates

STEADY = 4
"""Features of a slot that do not tell of the present against the past: log mass, share, entropy, log of events."""
BOUND = 4.0


def slot_features(
    states: InterestStates, interest: InterestConfig, features: ScenarioFeatures | None = None
) -> F32:
    """(S, F) float32, F = 6 + 2 K + A: what a slot has, what it does now, by which actions.

    In order: log mass, share of the user's mass, entropy of the user's shares, log of the user's events; emergence, z;
    share of the user's events at each half-life (K); log of the age of its last event over each half-life (K); share of
    each action (A). See `transfer.state.emergence` for the terms.

    >>> from transfer.state.states import empty_states
    >>> slot_features(empty_states(1, InterestConfig()), InterestConfig()).shape
    (0, 15)
    """
    features = features or scenario_features(states, interest, TransferConfig())
    user = states.slot_users()
    by_horizon = states.scenario_counts.sum(axis=2)
    ages = features.recency_s[:, None] / interest.half_lives
    columns = [
        np.log1p(features.mass)[:, None],
        features.share[:, None],
        features.entropy[user][:, None],
        np.log1p(states.n_events[user])[:, None],
        np.clip(features.emergence, -BOUND, BOUND)[:, None],
        np.clip(features.z, -BOUND, BOUND)[:, None],
        segment_shares(by_horizon, states.scenario_offsets),
        np.log1p(np.minimum(ages, 1e6)) / 4,
        features.actions,
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def slot_width(horizons: int, actions: int) -> int:
    """F of `slot_features`."""
    return 6 + 2 * horizons + actions


def horizon_sums(states: InterestStates) -> F32:
    """(U, K, D) float32: the sums over all events at each half-life, at length 1; zeros where there is none."""
    sums = np.empty((states.users, states.horizons, states.dim), np.float32)
    sums[:, :-1] = states.global_sums
    sums[:, -1] = states.global_sum(-1)
    return _unit(sums)


def horizon_masses(states: InterestStates, interest: InterestConfig) -> F32:
    """(U, K) float32: log(1 + mass) of all events at each half-life."""
    masses: F64 = segment_sum(states.masses(interest.action_weights), states.scenario_offsets)
    return np.log1p(masses).astype(np.float32)


def unit_slots(states: InterestStates) -> F32:
    """(S, D) float32: each slot's sum at length 1."""
    return _unit(states.scenario_sums.astype(np.float32))


def _unit(sums: F32) -> F32:
    """Vectors (..., D) at length 1, zeros where there is none. (`np.linalg.norm` and a division take three times as long.)"""
    square = np.einsum("...d,...d->...", sums, sums)
    some = square > 1e-30
    factor = np.divide(1.0, np.sqrt(square), out=np.zeros_like(square), where=some)
    unit: F32 = sums * factor[..., None]
    return unit
