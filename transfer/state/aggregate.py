"""A batch of events -> the states of these events alone."""

import numpy as np
from scipy.sparse import csr_array

from transfer.arrays import F64, I64
from transfer.config import InterestConfig
from transfer.rows import group_starts, last_in_segment, offsets_of, sizes_of
from transfer.state.decay import decay
from transfer.state.own import OwnEvents, own_of_events
from transfer.state.states import InterestStates, renumbering, sorted_names
from transfer.state.terms import EventTerms


def aggregate(terms: EventTerms, users: int, config: InterestConfig) -> InterestStates:
    """States of distinct events of weights above 0, summed in float64, without caps but the ring's.

    The sums run in order of (user, time, key), so that a permuted batch gives the same bits.

    Raises:
        ValueError: a vector of an event is not finite.
    """
    order = np.lexsort((terms.key, terms.time, terms.user))
    user, time, key = terms.user[order].astype(np.int64), terms.time[order], terms.key[order]
    action, item = terms.action[order], terms.item[order]
    names = sorted_names(terms.scenario_names)
    scenario = renumbering(terms.scenario_names, names)[terms.scenario[order]]
    used, row = np.unique(terms.vector[order], return_inverse=True)
    vectors = terms.vectors[used].astype(np.float64)
    if not np.isfinite(vectors).all():
        raise ValueError("a vector of the batch is not finite")

    offsets = offsets_of(np.bincount(user, minlength=users))
    filled = sizes_of(offsets) > 0
    t_ref, t_first = np.full(users, -np.inf), np.full(users, np.inf)
    t_ref[filled] = time[offsets[1:][filled] - 1]
    t_first[filled] = time[offsets[:-1][filled]]
    factors = decay(t_ref[user] - time, config.half_lives)
    weights = config.action_weights
    weight = weights[action]
    plain = terms.weight is None
    if terms.weight is not None:
        weight = weight * terms.weight[order]
    mass = factors * weight[:, None]

    horizons, actions = factors.shape[1], len(weights)
    global_sums = np.empty((users, horizons - 1, config.dim))
    for k in range(horizons - 1):
        global_sums[:, k] = _sums(mass[:, k], row, offsets, vectors)

    by_slot = np.lexsort((scenario, user))
    starts = group_starts([user[by_slot], scenario[by_slot]])
    bounds = np.append(starts, len(by_slot))
    slot_of = np.repeat(np.arange(len(starts)), sizes_of(bounds))
    cell = (slot_of[:, None] * horizons + np.arange(horizons)) * actions + action[by_slot][:, None]
    cells = len(starts) * horizons * actions
    counts = np.bincount(cell.ravel(), factors[by_slot].ravel(), cells).astype(np.float64, copy=False)
    life = np.bincount(slot_of * actions + action[by_slot], minlength=len(starts) * actions).reshape(
        len(starts), actions
    )
    extra = np.zeros((len(starts), horizons))
    if not plain:
        np.add.at(extra, slot_of, (mass - factors * weights[action][:, None])[by_slot])
    slot_time = time[by_slot]
    latest = last_in_segment(offsets, config.ring)
    before = np.full(len(starts), -np.inf)
    left = np.flatnonzero(~latest[by_slot])
    before[slot_of[left]] = slot_time[left]  # ascending within a slot: the last one stays

    events = OwnEvents(user, item, time, action, scenario, weight)
    own = own_of_events(events, users, config.half_lives)
    return InterestStates(
        half_lives_s=config.half_lives,
        t_ref=t_ref,
        t_first=t_first,
        n_events=sizes_of(offsets),
        global_sums=global_sums,
        scenario_names=names,
        scenario_offsets=offsets_of(np.bincount(user[by_slot][starts], minlength=users)),
        scenario_code=scenario[by_slot][starts],
        scenario_sums=_sums(mass[by_slot, -1], row[by_slot], bounds, vectors),
        scenario_counts=counts.reshape(len(starts), horizons, actions),
        scenario_extra=extra,
        scenario_life=life,
        # Events of a slot are still in order of time.
        scenario_first=slot_time[starts],
        scenario_last=slot_time[bounds[1:] - 1],
        scenario_before=before,
        own_offsets=own.offsets,
        own_item=own.item,
        own_mass=own.mass,
        own_count=own.count,
        own_last=own.last,
        own_action=own.action,
        own_scenario=own.scenario,
        ring_offsets=offsets_of(np.minimum(sizes_of(offsets), config.ring)),
        ring_key=key[latest],
        ring_time=time[latest],
        ring_item=item[latest],
        ring_action=action[latest],
        ring_scenario=scenario[latest],
    )


def _sums(weight: F64, row: I64, bounds: I64, vectors: F64) -> F64:
    """Weighted sum of the vectors of each run of events, (len(bounds) - 1, D) float64."""
    total: F64 = csr_array((weight, row, bounds), shape=(len(bounds) - 1, len(vectors))) @ vectors
    return total
