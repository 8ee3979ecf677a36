"""Models that follow simulated users: after each event, who leads, and what the fused vector retrieves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.workloads.drift import ITEMS_PER_SCENARIO, SCENARIOS, Course
from transfer.arrays import F32, F64
from transfer.config import InterestConfig
from transfer.protocols import Fusion, TransferModel
from transfer.rows import segment_shares
from transfer.state.states import InterestStates, empty_states, take_users
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

NAMES = [f"scenario {code:02d}" for code in range(SCENARIOS)]
TOP = 20


class MovingAverage:
    """The plain baseline: weights are shares of mass at one half-life, the fused vector is the sum at it.

    It reads the same states, so that it differs in nothing else.
    """

    def __init__(self, interest: InterestConfig, horizon: int) -> None:
        self._interest, self._horizon = interest, horizon

    @property
    def fingerprint(self) -> str:
        """Name and half-life."""
        return f"moving-average-{self._interest.half_lives_s[self._horizon]:g}s"

    def __call__(self, states: InterestStates) -> Fusion:
        """Fuse U users; no interests, no emergence."""
        mass = states.masses(self._interest.action_weights)[:, self._horizon]
        total = states.global_sum(self._horizon)
        norm = np.linalg.norm(total, axis=1, keepdims=True)
        return Fusion(
            fused=np.divide(total, norm, out=np.zeros_like(total), where=norm > 0).astype(np.float32),
            weights=segment_shares(mass, states.scenario_offsets).astype(np.float32),
            emergence=np.zeros(len(mass), np.float32),
            mass=mass.astype(np.float32),
            interests=np.zeros((0, states.dim), np.float32),
            interest_offsets=np.zeros(states.users + 1, np.int64),
        )

    def scenario_query(self, states: InterestStates, row: int, name: str) -> F32:
        """The fused vector: an average knows no scenario."""
        fused: F32 = self(states).fused[row]
        return fused


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one model said of U users after each of N events (N the longest course; cells after a course are -1)."""

    leader: npt.NDArray[np.int8]
    """(U, N) scenario of the largest weight."""
    target: F32
    """(U, N) weight of the drift's scenario."""
    old: F32
    """(U, N) weight of the user's habits, the target apart."""
    retrieved: F32
    """(U, N) of the TOP items nearest to the fused vector the share in the habits, the target apart; only at the events
    that `Course.looked_at` names."""


def follow(
    users: Sequence[Course],
    vectors: F32,
    interest: InterestConfig,
    models: Mapping[str, TransferModel],
) -> dict[str, Trace]:
    """Apply the users' events one at a time, ask every model after each, and write down what it says.

    A step is one event of every user who has one left: each user's own events arrive one by one.
    """
    sizes = np.array([len(user.time) for user in users])
    longest, order = int(sizes.max()), np.argsort(-sizes, kind="stable")
    traces = {
        name: Trace(
            np.full((len(users), longest), -1, np.int8),
            *(np.full((len(users), longest), -1, np.float32) for _ in range(3)),
        )
        for name in models
    }
    target = np.array([user.target for user in users])
    old = np.stack([user.habit > 0 for user in users])
    old[target >= 0, target[target >= 0]] = False
    looked_at = [set(user.looked_at()) for user in users]
    states = empty_states(len(users), interest)
    for step in range(longest):
        # The longest courses come first, so that those at their end drop off behind.
        acting = order[: int(np.count_nonzero(sizes > step))]
        if len(acting) < states.users:
            states = take_users(states, np.arange(len(acting)))
        states, _ = apply_events(states, _terms([users[row] for row in acting], step, vectors), interest)
        seen = np.array([place for place, row in enumerate(acting) if step in looked_at[row]], np.int64)
        for name, model in models.items():
            trace, fusion = traces[name], model(states)
            weights = _dense(fusion.weights, states)
            trace.leader[acting, step] = weights.argmax(axis=1)
            trace.target[acting, step] = weights[np.arange(len(acting)), target[acting]] * (
                target[acting] >= 0
            )
            trace.old[acting, step] = (weights * old[acting]).sum(axis=1)
            if len(seen):
                found = _scenarios_found(fusion.fused[seen], vectors)
                trace.retrieved[acting[seen], step] = (found * old[acting[seen]]).sum(axis=1)
    return traces


def _terms(users: Sequence[Course], step: int, vectors: F32) -> EventTerms:
    item = np.array([user.item[step] for user in users])
    return EventTerms(
        user=np.arange(len(users), dtype=np.int32),
        time=np.array([user.time[step] for user in users]),
        key=np.full(len(users), step + 1, np.uint64),
        action=np.array([user.action[step] for user in users], np.uint8),
        item=item.astype(np.uint64) + np.uint64(1),
        scenario=np.array([user.scenario[step] for user in users], np.int32),
        scenario_names=NAMES,
        vectors=vectors,
        vector=item.astype(np.int32),
    )


def _dense(weights: F32, states: InterestStates) -> F32:
    """Weights of the slots as (U, SCENARIOS); 0 for a scenario without a slot."""
    dense = np.zeros((states.users, SCENARIOS), np.float32)
    code = np.array([NAMES.index(name) for name in states.scenario_names])
    dense[states.slot_users(), code[states.scenario_code]] = weights
    return dense


def _scenarios_found(fused: F32, vectors: F32) -> F64:
    """(U, SCENARIOS) of the TOP items nearest to each vector, the share that lies in each scenario."""
    top = np.argpartition(-(fused @ vectors.T), TOP, axis=1)[:, :TOP] // ITEMS_PER_SCENARIO
    cells = np.repeat(np.arange(len(fused)), TOP) * SCENARIOS + top.ravel()
    return np.bincount(cells, minlength=len(fused) * SCENARIOS).reshape(-1, SCENARIOS) / TOP
