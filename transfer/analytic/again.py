"""*This very item again*: scores of the user's own items, and how often this user repeats at all.

    score    p_i = (1 - r) M_i,K / sum_j M_j,K + r * mean_{k<K} M_i,k / sum_j M_j,k       [r .5]
    repeat   g   = (repeats + n0 p0) / (events on items + n0)                             [p0 .3, n0 4]

M_i,k is the decayed mass of item i at half-life k: the longest tells habit, the shorter ones what is at hand.
Scores sum to 1 per user, so that g p_again + (1 - g) p_new is a mixture.
"""

import numpy as np

from transfer.arrays import F32, F64
from transfer.config import TransferConfig
from transfer.rows import owners, segment_shares, segment_sum, sizes_of
from transfer.state.states import InterestStates


def again_scores(states: InterestStates, config: TransferConfig | None = None) -> F32:
    """Probability of each own item if the user's next event is a repeat, (O,) float32.

    >>> from transfer.config import InterestConfig
    >>> from transfer.state.states import empty_states
    >>> again_scores(empty_states(1, InterestConfig())).shape
    (0,)
    """
    config = config or TransferConfig()
    offsets = states.own_offsets
    share = segment_shares(states.own_masses(), offsets)
    score = (1 - config.again_recency) * share[:, -1] + config.again_recency * share[:, :-1].mean(axis=1)
    # At a half-life that all items have outlived there is no share: the others stand for it.
    total = segment_sum(score, offsets)[owners(offsets)]
    even = 1.0 / np.maximum(sizes_of(offsets), 1)[owners(offsets)]
    scores: F64 = np.divide(score, total, out=even, where=total > 0)
    return scores.astype(np.float32)


def repeat_share(states: InterestStates, config: TransferConfig | None = None) -> F64:
    """Smoothed share of the user's events on items that came back to one, (U,) float64 in [0, 1].

    >>> from transfer.config import InterestConfig
    >>> from transfer.state.states import empty_states
    >>> repeat_share(empty_states(1, InterestConfig())).round(3).tolist()
    [0.3]
    """
    config = config or TransferConfig()
    events = segment_sum(states.own_count, states.own_offsets)
    repeats = events - sizes_of(states.own_offsets)
    return (repeats + config.repeat_strength * config.repeat_prior) / (events + config.repeat_strength)
