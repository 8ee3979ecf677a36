"""What a user is against, taken from what the user is for; bounded, so that the vector never turns round.

    v   = M- / (M- + M+)        masses of events below and above weight 0, longest half-life, as of the user's latest event
    q'  = unit(q - share v d)   d the unit sum of events below 0, q a unit vector; share at most .9    [share .3]

At most `share` of the vector's length is taken, so q' . q > 0 whatever a user was against. Without acts there is nothing
to take from.
"""

import numpy as np

from transfer.arrays import F64
from transfer.config import InterestConfig
from transfer.rows import segment_sum
from transfer.state.decay import decay, elapsed
from transfer.state.states import InterestStates

_CANCELLED = 1e-5
"""A sum shorter than this times its mass is rounding."""


def directions_against(states: InterestStates, interest: InterestConfig) -> F64 | None:
    """v d of each user, (U, D) float64, no longer than 1; None: nobody is against anything.

    >>> from transfer.state.states import empty_states
    >>> directions_against(empty_states(1, InterestConfig()), InterestConfig())
    """
    aside = states.aside
    if aside is None or not aside.n_against.any():
        return None
    until = np.maximum(states.t_ref, aside.t_against)
    longest = interest.half_lives[-1:]
    acts = segment_sum(states.masses(interest.action_weights)[:, -1], states.scenario_offsets)
    acts *= decay(elapsed(states.t_ref, until), longest)[:, 0]
    against = aside.mass * decay(elapsed(aside.t_against, until), longest)[:, 0]
    length = np.linalg.norm(aside.sums, axis=1)
    known = (states.n_events > 0) & (length > _CANCELLED * aside.mass) & (length > 0)
    total = against + acts
    part = np.divide(against, total, out=np.zeros_like(total), where=known & (total > 0))
    towards: F64 = aside.sums * (part / np.where(known, length, 1.0))[:, None]
    return towards
