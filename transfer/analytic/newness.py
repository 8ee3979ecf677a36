"""Whether a user's scenario is new, or back after a long pause."""

from dataclasses import dataclass

import numpy as np

from transfer.analytic.stints import stints
from transfer.arrays import F64
from transfer.config import InterestConfig, TransferConfig
from transfer.rows import segment_sum
from transfer.state.emergence import ScenarioFeatures
from transfer.state.states import InterestStates

STEEPNESS = 8.0
"""Of trust in the number of events: at c0 = 3 two events count for .04, three for .5, four for .91."""


@dataclass(frozen=True, slots=True, eq=False)
class Newness:
    """Of S slots of U users, float64, always finite."""

    trust: F64
    """(S,) 0..1: that the scenario is new to the user or back after a long pause, and acted in now."""
    share: F64
    """(S,) of the user's latest events since that began, the share in the scenario."""


def newness(
    states: InterestStates, interest: InterestConfig, transfer: TransferConfig, features: ScenarioFeatures
) -> Newness:
    """Trust and share of every slot; `features` are the features of the same states.

    A burst in an old scenario has the same emergence as the first visit to a new one. What tells them apart is the
    *stint* (`transfer/analytic/stints.py`): the scenario's events without a pause of 1.5 times the longest
    half-life. With its age A_s, its events c_s in the ring, the user's age T and the B events
    that the shortest half-life has forgotten,

        trust       max(0, 1 - A_s / min(T, h_K)) * c_s^8 / (c_s^8 + c0^8) * B / (B + 1) * 2^(-recency_s / h_1)

    is near 1 for the fourth event of a stint that began lately, and next to nothing for one or two stray events, for
    a habit, for a user without an old life, and once the user acts elsewhere for longer than the shortest half-life.
    It counts events, not time, so that it serves those who come daily and weekly alike.

    >>> from transfer.state.emergence import scenario_features
    >>> from transfer.state.states import empty_states
    >>> interest, transfer = InterestConfig(), TransferConfig()
    >>> states = empty_states(2, interest)
    >>> newness(states, interest, transfer, scenario_features(states, interest, transfer)).trust.tolist()
    []
    """
    user = states.slot_users()
    counts = states.scenario_counts
    age = np.subtract(states.t_ref, states.t_first, out=np.zeros(states.users), where=states.n_events > 0)
    stint = stints(states, interest)
    span = np.maximum(np.minimum(age, interest.half_lives_s[-1]), transfer.min_age_s)[user]
    youth = np.maximum(0.0, 1 - stint.age_s / span)
    evidence = (stint.events / transfer.new_events) ** STEEPNESS
    past = counts[:, -1].sum(axis=1) - counts[:, 0].sum(axis=1)
    forgotten = np.maximum(0.0, segment_sum(past, states.scenario_offsets))
    here_now = np.exp2(-features.recency_s / interest.half_lives_s[0])
    trust = youth * evidence / (evidence + 1) * (forgotten / (forgotten + 1))[user] * here_now
    return Newness(trust, stint.share)
