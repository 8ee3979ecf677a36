"""Events into interest states, whatever the order in which they arrive or how they are split in batches.

Exact up to `own_items` items and `max_scenarios` scenarios a user, and for duplicates within the ring. Above
them the lightest item is dropped, the lightest scenario folds into `(other)`, and an event older than all of
a full ring is added even if it was there before.
"""

import numpy as np

from transfer.aggregate import aggregate
from transfer.arrays import Bool
from transfer.config import InterestConfig
from transfer.decay import decay, elapsed
from transfer.own import keep_heaviest, merge_own
from transfer.ring import first_seen, keep_latest, merge_ring
from transfer.slots import fold_slots, follow_fold, merge_slots
from transfer.states import OTHER, InterestStates, empty_states, names_in_use, renumbering, sorted_names, take
from transfer.terms import EventTerms

__all__ = ["OTHER", "EventTerms", "InterestStates", "apply_events", "empty_states", "merge", "take"]


def apply_events(
    states: InterestStates, terms: EventTerms, config: InterestConfig
) -> tuple[InterestStates, Bool]:
    """Add a batch of events to the states of its users.

    An event whose key is in its user's ring, or earlier in the batch, is a duplicate and left out.

    Returns:
        The new states, and (B,) bool: whether each event was applied.

    Raises:
        ValueError: the batch doesn't fit the states, or has times or vectors that are not finite.

    >>> config = InterestConfig(dim=2)
    >>> one = EventTerms(
    ...     user=np.array([0], np.int32), time=np.array([5.0]), key=np.array([9], np.uint64),
    ...     action=np.array([1], np.uint8), item=np.array([7], np.uint64), scenario=np.array([0], np.int32),
    ...     scenario_names=("books",), vectors=np.array([[0.6, 0.8]], np.float32),
    ...     vector=np.array([0], np.int32))
    >>> states, applied = apply_events(empty_states(1, config), one, config)
    >>> applied.tolist(), states.scenario_names, states.global_sum(-1).round(2).tolist()
    ([True], ('books',), [[0.6, 0.8]])
    >>> apply_events(states, one, config)[1].tolist()
    [False]
    """
    terms.check(states.users, config.dim)
    applied = first_seen(states, terms.user, terms.key)
    if not applied.any():
        return states, applied
    return _merge(states, aggregate(terms, applied, states.users, config), config, distinct=True), applied


def merge(a: InterestStates, b: InterestStates, config: InterestConfig) -> InterestStates:
    """Join, user by user, the states of two logs that share no event; the order of the two is no matter.

    An event that is in both is counted twice in the sums, once in the ring.

    Raises:
        ValueError: the two hold different numbers of users, half-lives or dimensions.
    """
    if a.global_sums.shape != b.global_sums.shape:
        raise ValueError(f"states of different shape: {a.global_sums.shape} and {b.global_sums.shape}")
    return _merge(a, b, config, distinct=False)


def _merge(a: InterestStates, b: InterestStates, config: InterestConfig, distinct: bool) -> InterestStates:
    names = sorted_names(a.scenario_names, b.scenario_names, (OTHER,))
    other, table = names.index(OTHER), len(names)
    recode_a, recode_b = renumbering(a.scenario_names, names), renumbering(b.scenario_names, names)
    t_ref = np.maximum(a.t_ref, b.t_ref)
    decay_a = decay(elapsed(a.t_ref, t_ref), config.half_lives)
    decay_b = decay(elapsed(b.t_ref, t_ref), config.half_lives)

    global_sums = a.global_sums * decay_a[:, :-1, None]
    global_sums += b.global_sums * decay_b[:, :-1, None]
    slots = merge_slots(a, b, recode_a, recode_b, decay_a, decay_b)
    slots, folded = fold_slots(slots, other, config.max_scenarios, config.action_weights, table)
    own = keep_heaviest(merge_own(a, b, recode_a, recode_b, decay_a, decay_b), config.own_items)
    ring = keep_latest(merge_ring(a, b, recode_a, recode_b, distinct), config.ring)

    used_names, renumber = names_in_use(names, slots.code)
    return InterestStates(
        t_ref=t_ref,
        t_first=np.minimum(a.t_first, b.t_first),
        n_events=a.n_events + b.n_events,
        global_sums=global_sums.astype(np.float32),
        scenario_names=used_names,
        scenario_offsets=slots.offsets,
        scenario_code=renumber[slots.code],
        scenario_sums=slots.sums.astype(np.float32),
        scenario_counts=slots.counts.astype(np.float32),
        scenario_first=slots.first,
        scenario_last=slots.last,
        own_offsets=own.offsets,
        own_item=own.item,
        own_mass=own.mass.astype(np.float32),
        own_count=own.count,
        own_last=own.last,
        own_action=own.action,
        own_scenario=renumber[follow_fold(own.scenario, own.offsets, folded, other, table)],
        ring_offsets=ring.offsets,
        ring_key=ring.key,
        ring_time=ring.time,
        ring_item=ring.item,
        ring_action=ring.action,
        ring_scenario=renumber[follow_fold(ring.scenario, ring.offsets, folded, other, table)],
    )
