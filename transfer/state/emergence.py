"""What a user's scenarios do now against what they did over the long run."""

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64
from transfer.config import InterestConfig, TransferConfig
from transfer.rows import segment_shares, segment_sum
from transfer.state.states import InterestStates


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

    What tells a burst in an old scenario from the first visit to a new one is `transfer.analytic.newness`.

    >>> from transfer.state.states import empty_states
    >>> config = InterestConfig()
    >>> scenario_features(empty_states(2, config), config, TransferConfig()).entropy.tolist()
    [0.0, 0.0]
    """
    offsets, user = states.scenario_offsets, states.slot_users()
    counts = states.scenario_counts
    habits = counts[:, -1]
    mass = habits @ interest.action_weights + states.scenario_extra[:, -1]
    share = segment_shares(mass, offsets)
    fast, slow = counts[:, 0].sum(axis=1), habits.sum(axis=1)

    age = np.subtract(states.t_ref, states.t_first, out=np.zeros(states.users), where=states.n_events > 0)
    tau = interest.half_lives / np.log(2.0)
    exposure = -tau * np.expm1(-np.maximum(age, transfer.min_age_s)[:, None] / tau)
    rate_fast, rate_slow = fast / exposure[user, 0], slow / exposure[user, -1]

    expected = segment_sum(fast, offsets)[user] * segment_shares(slow, offsets)
    return ScenarioFeatures(
        mass=mass,
        share=share,
        rate_fast=rate_fast,
        rate_slow=rate_slow,
        emergence=np.log((fast + transfer.pseudo_count) / (expected + transfer.pseudo_count)),
        z=(fast - expected) / np.sqrt(expected + transfer.z_variance),
        recency_s=states.t_ref[user] - states.scenario_last,
        actions=habits / np.where(slow > 0, slow, 1.0)[:, None],
        entropy=segment_sum(-share * np.log(np.where(share > 0, share, 1.0)), offsets),
    )
