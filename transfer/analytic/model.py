"""The transfer model that needs no training: weights from mass and emergence, lending by shrinkage.

For each scenario s of a user, with mass m_s, unit slot v_s, emergence e_s and z_s (`transfer/state/emergence.py`),
and defaults in brackets (`TransferConfig`):

    trust     t_s = z_s^2 / (z_s^2 + z0^2)                               [z0 2: one stray event moves little]
    burst     b_s = min(gain * clip(e_s, 0, cap) * t_s, reach * (max log h - log h_s))   [gain 3, cap 3, reach .8]
    new       n_s = trust_s * max(0, log(p_s / (1 - p_s)) - log(h_s / (M - h_s)))      p_s = min(share, .9)
    weight    w   = softmax_s(log h_s + max(b_s, n_s))                   M the user's mass
    habit     h_s = (1 - l f) m_s + l f M a_s                            a_s share of all the user ever did  [l .5]
    global    g   = unit((1 - q) G_K + q * mean_{k<K} G_k)    unit sums over all events  [q .3 short-term]
    interest  u_s = unit(m_s v_s + c g)                       the share m_s / (m_s + c) is its own       [c 3]
    fused     f   = unit((1 - q) sum_s w_s u_s + q * mean_{k<K} G_k), less what the user is against
                                                             (`transfer/analytic/against.py`)
    declared  q'  = unit(m q + d D)     of fused, interests and queries of scenarios, where the user declared something
                                        (`transfer/analytic/declared.py`)                            [d 5]

So a scenario of one event borrows from all others and one of many events speaks for itself; a scenario never
visited is g. Without emergence the weights are shares of habit: of mass, and of what a longer memory says as far as
the longest half-life has forgotten (f and a_s by numbers of events, all that there ever were), or a lesser habit would
lead now and then by chance of the visits. A burst in an old scenario draws it towards the heaviest, never past it; a
scenario that is new, or back after a long pause, goes from its share of habit to its share of the latest events,
however heavy the past (trust and share of `transfer/analytic/newness.py`). A vector that cancels to
nothing gives way to g, and g to the first axis, so that every answer is a finite unit vector. All of it is read from the exact
part of the state, so two ways to the same events give the same answer: 1e-6 apart at most, up to `max_scenarios` scenarios.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer.analytic.against import directions_against
from transfer.analytic.declared import declared_within, with_declared
from transfer.analytic.newness import newness
from transfer.arrays import F32, F64
from transfer.config import InterestConfig, TransferConfig
from transfer.protocols import Fusion
from transfer.rows import (
    segment_max,
    segment_sum,
)
from transfer.state.declared import DeclaredRow, unit_sum
from transfer.state.emergence import ScenarioFeatures, scenario_features
from transfer.state.leading import leading_slots
from transfer.state.states import InterestStates, take_users

FAINT = 1e-30
"""Masses below this are rounding, and so is a sum shorter than CANCELLED times its mass."""
CANCELLED = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredParts:
    """What a query is the sum of, before it is made a unit vector."""

    done: F64
    """(D,) what the user did"""
    said: F64
    """(D,) what the user declared"""
    texts: Sequence[DeclaredRow]
    """of which that is made"""


class AnalyticTransfer:
    """Documented weights in the place of learned ones; see the head of this file for the formulas."""

    def __init__(self, interest: InterestConfig, transfer: TransferConfig | None = None) -> None:
        self._interest = interest
        self._transfer = transfer or TransferConfig()

    @property
    def fingerprint(self) -> str:
        """`analytic-1-` and the digests of both configurations."""
        return f"analytic-1-{self._interest.fingerprint()}-{self._transfer.fingerprint()}"

    def __call__(self, states: InterestStates) -> Fusion:
        """Fuse U users; a user without events gets the first axis as fused vector, or what the user declared, and no
        interests.

        >>> from transfer.state.states import empty_states
        >>> config = InterestConfig(dim=3)
        >>> AnalyticTransfer(config)(empty_states(1, config)).fused.tolist()
        [[1.0, 0.0, 0.0]]
        """
        features = scenario_features(states, self._interest, self._transfer)
        weights = self._weights(states, features)
        short_term, overall = self._global(states)
        slots = self._blend(states, features.mass, overall)
        q = self._transfer.short_term_share
        mixed = segment_sum(slots * weights[:, None], states.scenario_offsets)
        mixed *= 1 - q
        mixed += q * short_term
        fused = self._with_declared(states, features.mass, _unit_or(mixed, overall))
        if states.declared is not None:
            said = declared_within(states, features.mass, self._transfer.shrinkage_mass)
            slots = with_declared(slots, *said, self._transfer.declared)
        against = directions_against(states, self._interest)
        if against is not None:
            fused = _unit_or(fused - self._transfer.against_share * against, fused)
        rows, interest_offsets = leading_slots(states.scenario_offsets, weights, self._transfer)
        return Fusion(
            fused=fused.astype(np.float32),
            weights=weights.astype(np.float32),
            emergence=features.emergence.astype(np.float32),
            mass=features.mass.astype(np.float32),
            interests=slots[rows].astype(np.float32),
            interest_offsets=interest_offsets,
        )

    def scenario_query(self, states: InterestStates, row: int, name: str) -> F32:
        """(D,) unit vector for one user's request in the scenario `name`: slot and global interest, blended.

        A scenario that the user never visited gives the global interest alone, and what the user declared of it.

        Raises:
            IndexError: there is no such row.
        """
        one = take_users(states, np.array([row]))
        _, overall = self._global(one)
        query = overall
        if name in one.scenario_names:
            mass = one.masses(self._interest.action_weights)[:, -1]
            slot = one.slot_names(0).index(name)
            query = self._blend(one, mass, overall)[slot : slot + 1]
        if one.declared is not None:
            said, own = one.declared.within(0, name)
            behind = np.array([self._behind(one, name, own)])
            query = with_declared(query, behind, said[None], self._transfer.declared)
        against = directions_against(one, self._interest)
        if against is not None:
            query = _unit_or(query - self._transfer.against_share * against, query)
        vector: F32 = query[0].astype(np.float32)
        return vector

    def declared_parts(self, states: InterestStates, row: int, name: str | None) -> DeclaredParts:
        """Of the fused vector of one user who declared something, or of the query of the scenario `name`."""
        one = take_users(states, np.array([row]))
        declared, plain = one.declared, replace(one, declared=None)
        if declared is None:
            raise ValueError("the user declared nothing")
        if name is None:
            texts, own, query = declared.texts(0), False, self(plain).fused[0]
        else:
            (texts, own), query = declared.texts_within(0, name), self.scenario_query(plain, 0, name)
        done = self._behind(one, name, own) * query.astype(np.float64)
        return DeclaredParts(done, self._transfer.declared * unit_sum(texts, one.dim), texts)

    def _behind(self, one: InterestStates, name: str | None, own: bool) -> float:
        """The mass that stands behind a query of one user, as `transfer/analytic/declared.py` says; own: what was declared is
        of the scenario itself."""
        mass = one.masses(self._interest.action_weights)[:, -1]
        whole = float(mass.sum())
        if not own:
            return whole
        here = float(mass[one.slot_names(0).index(name)]) if name in one.scenario_names else 0.0
        return here + min(self._transfer.shrinkage_mass, whole - here)

    def _with_declared(self, states: InterestStates, mass: F64, fused: F64) -> F64:
        if states.declared is None:
            return fused
        whole = segment_sum(mass, states.scenario_offsets)
        return with_declared(fused, whole, states.declared.everything(), self._transfer.declared)

    def _weights(self, states: InterestStates, features: ScenarioFeatures) -> F64:
        config = self._transfer
        offsets, user = states.scenario_offsets, states.slot_users()
        mass = np.maximum(self._habit(states, features), FAINT)
        logit = np.log(mass)
        trust = features.z**2 / (features.z**2 + config.emergence_z**2)
        burst = config.emergence_gain * np.clip(features.emergence, 0.0, config.emergence_cap) * trust
        burst = np.minimum(burst, config.emergence_reach * (segment_max(logit, offsets, 0.0)[user] - logit))
        begun = newness(states, self._interest, config, features)
        latest = np.clip(begun.share, FAINT, config.new_share)
        others = np.maximum(segment_sum(mass, offsets)[user] - mass, FAINT)
        new = begun.trust * np.maximum(0.0, np.log(latest / (1 - latest)) - np.log(mass / others))
        # Alone in its user's past, a scenario has nothing to win.
        logit += np.maximum(burst, np.where(others > FAINT, new, 0.0))
        scaled = np.exp(logit - segment_max(logit, offsets, 0.0)[user])
        weights: F64 = scaled / segment_sum(scaled, offsets)[user]
        return weights

    def _habit(self, states: InterestStates, features: ScenarioFeatures) -> F64:
        """Mass of each slot (S,), a part of it spread over its user's slots by all that the user ever did."""
        if not self._transfer.lifelong_share or not len(features.mass):
            return features.mass
        offsets, user = states.scenario_offsets, states.slot_users()
        ever = states.scenario_life.sum(axis=1).astype(np.float64)
        slow = states.scenario_counts[:, -1].sum(axis=1)
        columns = np.stack([ever, slow, features.mass], axis=1)
        all_ever, all_slow, mass = segment_sum(columns, offsets)[user].T
        some = np.maximum(all_ever, 1.0)
        part = self._transfer.lifelong_share * np.maximum(0.0, 1 - all_slow / some)
        habit: F64 = (1 - part) * features.mass + part * mass * ever / some
        return habit

    def _global(self, states: InterestStates) -> tuple[F64, F64]:
        """Mean of the shorter half-lives' unit sums (U, D), and the global interest (U, D), a unit vector."""
        masses = segment_sum(states.masses(self._interest.action_weights), states.scenario_offsets)
        short_term = _unit(states.global_sum(0), masses[:, 0])
        for k in range(1, states.horizons - 1):
            short_term += _unit(states.global_sum(k), masses[:, k])
        short_term /= states.horizons - 1
        longest = _unit(states.global_sum(-1), masses[:, -1])
        q = self._transfer.short_term_share
        longest *= 1 - q
        longest += q * short_term
        axis = np.zeros(states.dim)
        axis[0] = 1.0
        return short_term, _unit_or(longest, np.broadcast_to(axis, longest.shape))

    def _blend(self, states: InterestStates, mass: F64, overall: F64) -> F64:
        """Interest vector of each slot (S, D): its own and the global one by how much is known."""
        blend = _unit(states.scenario_sums.copy(), mass)
        blend *= mass[:, None]
        lender = overall[states.slot_users()]
        blend += self._transfer.shrinkage_mass * lender
        return _unit_or(blend, lender)


# Both write into what they are given: these matrices are large, and making a new one takes longer than filling it.


def _unit(sums: F64, mass: F64) -> F64:
    """The rows of `sums`, in place, at length 1; zero where what is left of the sum is rounding."""
    norm = _lengths(sums)
    known = (norm > CANCELLED * mass) & (mass > FAINT)
    sums /= np.where(known, norm, np.inf)[:, None]
    return sums


def _unit_or(rows: F64, instead: F64) -> F64:
    """The rows, in place, at length 1; `instead` where a row cancelled."""
    norm = _lengths(rows)
    known = norm > CANCELLED
    rows /= np.where(known, norm, 1.0)[:, None]
    if not known.all():
        rows[~known] = instead[~known]
    return rows


def _lengths(rows: F64) -> F64:
    lengths: F64 = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths
