"""What a user declares, beside what the events say: worth so many events.

    q' = unit(m q + c d)      q a query of the state, d of the declared texts, both unit vectors      [c 5, `transfer.declared`]

    fused vector              m the user's mass at the longest half-life, d the unit sum of all texts
    scenario with its text    m the scenario's mass and what it borrows, min(shrinkage, mass of the others); d that text
    any other scenario        m the user's mass, d the text of all scenarios; without one the unit sum of all texts

A mass is a decayed sum of action weights as of the user's latest event: 1 is one fresh click. Past events fade as the user goes
on, a declared text does not: of someone who acts seldom it keeps saying much. A user without events has the texts alone.
"""

from __future__ import annotations

import numpy as np

from transfer.arrays import F64
from transfer.state.states import InterestStates

_CANCELLED = 1e-5


def with_declared(queries: F64, mass: F64, declared: F64, events: float) -> F64:
    """The queries (N, D) with what was declared (N, D), unit vectors or zeros; mass (N,) is what stands behind each query,
    `events` what stands behind a declaration. Changed in place.

    >>> with_declared(np.array([[1.0, 0.0]]), np.array([0.0]), np.array([[0.0, 1.0]]), 5.0).tolist()
    [[0.0, 1.0]]
    """
    said = declared.any(axis=1) & (events > 0)
    if said.any():
        mixed = mass[said, None] * queries[said] + events * declared[said]
        length = np.linalg.norm(mixed, axis=1)
        # The two cancel: what was done stands against what was said.
        queries[said] = np.where(
            (length > _CANCELLED * (mass[said] + events))[:, None],
            mixed / np.maximum(length, 1e-300)[:, None],
            queries[said],
        )
    return queries


def declared_within(states: InterestStates, masses: F64, shrinkage: float) -> tuple[F64, F64]:
    """What users declare of each of their scenarios: (S,) mass that it is set against, and (S, D) unit vectors, zeros for
    nothing. masses (S,): of the scenarios."""
    declared, offsets = states.declared, states.scenario_offsets
    against, said = masses.copy(), np.zeros((len(masses), states.dim))
    if declared is None:
        return against, said
    for user in np.flatnonzero(declared.speaks()).tolist():
        slots = slice(*offsets[user : user + 2].tolist())
        whole = float(masses[slots].sum())
        for slot, name in enumerate(states.slot_names(user), start=slots.start):
            said[slot], own = declared.within(user, name)
            against[slot] = masses[slot] + min(shrinkage, whole - masses[slot]) if own else whole
    return against, said
