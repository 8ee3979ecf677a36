"""What a faulted run left in the store, against an offline replay of the same log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sinks.protocols import Store
from streams.event_log.log import open_logs
from streams.ingest.intake import open_intake
from streams.replay.replay import replay
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.reference_state import max_relative_error
from support.checks.states import states_of
from support.data.event_log import EventLog
from transfer.config import InterestConfig

TOLERANCE = 1e-6
"""As `benchmarks/parity.py` allows: whatever order and borders of batches the fault made of it."""


@dataclass(frozen=True)
class Comparison:
    """Of every user. lost, doubled: events that a state has too few or too many of; errors are relative maxima."""

    users: int
    lost: int
    doubled: int
    state_error: float
    fused_error: float
    problem: str = ""

    @property
    def problems(self) -> list[str]:
        """Why the run failed; empty if it did not."""
        found = [self.problem] if self.problem else []
        if self.lost or self.doubled:
            found.append(f"{self.lost} events lost, {self.doubled} counted twice")
        if not (self.state_error <= TOLERANCE and self.fused_error <= TOLERANCE):  # NaN is neither
            found.append(f"relative error: states {self.state_error:.2g}, fused {self.fused_error:.2g}")
        return found


def compare_with_replay(folder: Path, live: str, log: EventLog) -> Comparison:
    """Replay the log into a store of its own in `folder` and compare every user of both."""
    events = open_logs([log.write(folder / "log.parquet")], now=time.time())
    settings = Settings.load()
    with (
        open_intake(str(folder / "replayed"), settings, create=True) as truth,
        open_for_reading(live, settings) as found,
    ):
        replay(truth, events)
        return compare(found.store, truth.store, found.interest, log.counts())


def compare(live: Store, truth: Store, config: InterestConfig, expected: Mapping[str, int]) -> Comparison:
    """Compare two stores; `expected` holds the events that each user has in the log."""
    users, states, fused = states_of(live, config)
    true_users, true_states, true_fused = states_of(truth, config)
    true_counts = dict(zip(true_users, true_states.n_events.tolist(), strict=True))
    assert true_counts == expected, "the replay itself is wrong"
    counts = dict(zip(users, states.n_events.tolist(), strict=True))
    excess = [counts.get(user, 0) - count for user, count in expected.items()]
    excess += [count for user, count in counts.items() if user not in expected]
    lost, doubled = -sum(n for n in excess if n < 0), sum(n for n in excess if n > 0)
    if users != true_users:
        problem = f"{len(users)} users where there should be {len(true_users)}"
        return Comparison(len(users), lost, doubled, np.inf, np.inf, problem)
    scale = np.abs(true_fused).max(axis=1, keepdims=True)
    fused_error = float((np.abs(fused - true_fused) / scale).max())
    try:
        state_error, problem = max_relative_error(states, true_states), ""
    except AssertionError as error:
        state_error, problem = np.inf, f"states differ: {' '.join(str(error).split())[:200]}"
    return Comparison(len(users), lost, doubled, state_error, fused_error, problem)
