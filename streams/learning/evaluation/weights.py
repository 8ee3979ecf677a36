"""How the weights of users' scenarios move over time: what the report shows of a transfer model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoders.unseen import unseen_vectors
from streams.learning.evaluation.slices import Facts
from streams.learning.history import History
from transfer.arrays import F32, F64, I64
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.protocols import TransferModel
from transfer.state.states import empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

SETTLED = 20
"""Earlier events from which on a user has something to shift from."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownModel:
    """A transfer model, as the report names it."""

    name: str
    model: TransferModel
    vectors: F32 | None = None
    """(N, D) base vectors of the items; without them items get vectors of their id alone, which is enough for weights that
    come from what happened when and where, not from content"""


@dataclass(frozen=True, slots=True, eq=False)
class WeightShift:
    """One user's scenarios: events so far (P,), weights (P, S) after this many, rows sum to 1, names of the S scenarios."""

    user: str
    events: I64
    weights: F64
    scenarios: list[str]
    model: str
    """whose weights these are"""


def emerging_users(facts: Facts, count: int) -> list[int]:
    """The users with the most targets in scenarios that they never visited, among those with `SETTLED` events before."""
    known = facts.user_events >= SETTLED
    users, targets = np.unique(facts.user[known & (facts.nth <= 1)], return_counts=True)
    chosen: list[int] = users[np.argsort(-targets, kind="stable")[:count]].tolist()
    return chosen


def weight_shifts(
    history: History,
    users: list[int],
    shown: ShownModel,
    config: InterestConfig,
    begin: float,
    points: int = 60,
) -> list[WeightShift]:
    """Apply the users' events one part after the other and read the weights, from the time `begin` on.

    `points` readings are spread evenly over the user's events since then, each after a whole basket.
    """
    place = {name: code for code, name in enumerate(history.scenarios)}
    shifts = []
    for user in users:
        rows = np.arange(history.offsets[user], history.offsets[user + 1])
        time = history.time[rows]
        ends = np.append(np.flatnonzero(np.diff(time)) + 1, len(rows))
        ends = ends[time[ends - 1] >= begin]
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, points).astype(np.int64))]
        states = empty_states(1, config)
        weights = np.zeros((len(ends), len(history.scenarios)))
        for point, (start, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)):
            states, _ = apply_events(
                states, _terms(history, rows[start:end], config.dim, shown.vectors), config
            )
            for name, weight in zip(states.slot_names(0), shown.model(states).weights.tolist(), strict=True):
                if name in place:
                    weights[point, place[name]] = weight
        used = np.argsort(-weights.sum(axis=0), kind="stable")[: int((weights.max(axis=0) > 0).sum())]
        names = [history.scenarios[code] for code in used.tolist()]
        shifts.append(WeightShift(history.users[user], ends, weights[:, used], names, shown.name))
    return shifts


def _terms(history: History, rows: I64, dim: int, vectors: F32 | None) -> EventTerms:
    """Events of one user as the states take them."""
    rows = rows[history.item[rows] != NONE]
    codes, vector = np.unique(history.item[rows], return_inverse=True)
    return EventTerms(
        user=np.zeros(len(rows), np.int32),
        time=history.time[rows],
        key=history.key[rows],
        action=history.action[rows],
        item=history.item_keys[history.item[rows]],
        scenario=history.scenario[rows],
        scenario_names=tuple(history.scenarios),
        vectors=unseen_vectors([history.items[code] for code in codes.tolist()], dim)
        if vectors is None
        else vectors[codes],
        vector=vector.astype(np.int32),
        weight=None if history.weight is None else history.weight[rows].astype(np.float64),
    )
