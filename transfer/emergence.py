"""What a user's scenarios do now against what they did over the long run."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64
from transfer.config import InterestConfig, TransferConfig
from transfer.rows import segment_sum, shares
from transfer.states import InterestStates
from transfer.stints import stints

STEEPNESS = 8.0
"""Of newness in the number of events: at c0 = 3 two events count for .04, three for .5, four for .91."""


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioFeatures:
    """Features of S slots of U users, float64, always finite.

    *Fast* is at the shortest half-life, *slow* at the longest.
    """

    mass: F64
    """(S,) decayed sum of action weights, slow."""
    share: F64
    """(S,) the slot's share of its user's mass; sums to 1 per user."""
    rate_fast: F64
    """(S,) events per second, corrected for the user's age."""
    rate_slow: F64
    emergence: F64
    """(S,) log-ratio of recent events to those expected; 0 is steady."""
    z: F64
    """(S,) the same difference in standard deviations."""
    recency_s: F64
    """(S,) seconds from the scenario's last event to the user's."""
    actions: F64
    """(S, A) share of each action in the slot's events, slow."""
    newness: F64
    """(S,) trust, 0..1, that the scenario is new to the user or back after a long pause, and acted in now."""
    new_share: F64
    """(S,) of the user's latest events since that began, the share in the scenario."""
    entropy: F64
    """(U,) entropy of the shares in nats; 0 for one scenario."""


def scenario_features(
    states: InterestStates, interest: InterestConfig, transfer: TransferConfig
) -> ScenarioFeatures:
    """Rates, emergence and mix of every slot.

    With N the decayed number of events, tau = half-life / ln 2 and the user's age T:

        rate        r = N / (tau (1 - exp(-T / tau)))        an unbiased rate also for a user younger than tau
        expected    E_s = N_fast * r_slow,s / r_slow         over all scenarios of the user
        emergence   log((N_fast,s + a) / (E_s + a))
        z           (N_fast,s - E_s) / sqrt(E_s + c)

    The expectation is relative to the user's own activity: people come in bursts, and at the start of each
    visit every scenario would be above its long-run rate. Age cancels in it, so a new user shows no emergence
    either (the plain ratio of a fast and a slow count misfires there).

    A burst in an old scenario has the same emergence as the first visit to a new one. What tells them apart is the
    *stint* (`transfer/stints.py`): the scenario's events without a pause of the longest half-life. With its age A_s,
    its events c_s in the ring and the B events that the shortest half-life has forgotten,

        newness     max(0, 1 - A_s / min(T, h_K)) * c_s^8 / (c_s^8 + c0^8) * B / (B + 1) * 2^(-recency_s / h_1)

    is near 1 for the fourth event of a stint that began lately, and next to nothing for one or two stray events, for
    a habit, for a user without an old life, and once the user acts elsewhere for longer than the shortest half-life.
    It counts events, not time, so that it serves those who come daily and weekly alike.

    >>> from transfer.states import empty_states
    >>> config = InterestConfig()
    >>> scenario_features(empty_states(2, config), config, TransferConfig()).entropy.tolist()
    [0.0, 0.0]
    """
    offsets, user = states.scenario_offsets, states.slot_users()
    counts = states.scenario_counts.astype(np.float64)
    habits = counts[:, -1]
    mass = habits @ interest.action_weights
    share = shares(mass, offsets)
    fast, slow = counts[:, 0].sum(axis=1), habits.sum(axis=1)

    age = np.subtract(states.t_ref, states.t_first, out=np.zeros(states.users), where=states.n_events > 0)
    tau = interest.half_lives / np.log(2.0)
    exposure = -tau * np.expm1(-np.maximum(age, transfer.min_age_s)[:, None] / tau)
    rate_fast, rate_slow = fast / exposure[user, 0], slow / exposure[user, -1]

    stint = stints(states, interest)
    span = np.maximum(np.minimum(age, interest.half_lives_s[-1]), transfer.min_age_s)[user]
    youth = np.maximum(0.0, 1 - stint.age_s / span)
    evidence = (stint.events / transfer.new_events) ** STEEPNESS
    forgotten = np.maximum(0.0, segment_sum(slow - fast, offsets))
    recency_s = states.t_ref[user] - states.scenario_last
    here_now = np.exp2(-recency_s / interest.half_lives_s[0])

    expected = segment_sum(fast, offsets)[user] * shares(slow, offsets)
    return ScenarioFeatures(
        mass=mass,
        share=share,
        rate_fast=rate_fast,
        rate_slow=rate_slow,
        emergence=np.log((fast + transfer.pseudo_count) / (expected + transfer.pseudo_count)),
        z=(fast - expected) / np.sqrt(expected + transfer.z_variance),
        recency_s=recency_s,
        actions=habits / np.where(slow > 0, slow, 1.0)[:, None],
        newness=youth * evidence / (evidence + 1) * (forgotten / (forgotten + 1))[user] * here_now,
        new_share=stint.share,
        entropy=segment_sum(-share * np.log(np.where(share > 0, share, 1.0)), offsets),
    )
