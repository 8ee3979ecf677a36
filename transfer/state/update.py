"""Events into interest states, whatever the order in which they arrive or how they are split in batches.

What vectors, weights and interests are made of (decayed sums and counts, lifelong counts, first and last times, the ring) is
exact for users of up to `max_scenarios` scenarios: two ways to the same events differ by rounding alone, at most by 1e-6 of a
sum's length. Three things are capped:

- own items, of which only *again* and explanations are made: a list of more than `most_items` is cut to the heaviest
  `own_items`.
- scenarios: of more than `most_scenarios` the lightest fold into `(other)` until `max_scenarios` are left.
- the ring, which is also the window for duplicates: an event older than all of a full ring is added even if it was there
  before.

Lists are cut right after the event that makes them too long (`transfer/state/trims.py`), so a log in order gives the same
keys and counts in batches of any size. Another order of arrival cuts elsewhere. What goes then weighs little: the K half-lives
together, the items that are cut have less than K / `own_items` of their user's mass each.
"""

from dataclasses import replace

import numpy as np

from transfer.arrays import F64, I64, Bool
from transfer.codes import NONE
from transfer.config import ACTIONS, InterestConfig
from transfer.rows import owners, sizes_of
from transfer.state.aggregate import aggregate
from transfer.state.aside import empty_aside
from transfer.state.aside_update import add_against, add_shown, merge_aside
from transfer.state.decay import decay, elapsed
from transfer.state.declared import merge_declared
from transfer.state.own import OwnEvents, OwnRows, keep_heaviest, merge_own, own_of_states, trim_in_order
from transfer.state.ring import first_seen, keep_latest, merge_ring
from transfer.state.slots import fold_slots, follow_fold, merge_slots, note_left, slots_of_states
from transfer.state.states import (
    OTHER,
    InterestStates,
    names_in_use,
    renumbering,
    sorted_names,
    stack,
    take_users,
)
from transfer.state.terms import EventTerms
from transfer.state.trims import Arrivals, first_too_many


def apply_events(
    states: InterestStates, terms: EventTerms, config: InterestConfig
) -> tuple[InterestStates, Bool]:
    """Add a batch of events to the states of its users.

    An event whose key is in its user's ring, or earlier in the batch, is a duplicate and left out. Events of a weight below 0
    have a ring of their own and so are duplicates of each other alone; those of weight 0 are never duplicates
    (`transfer/state/aside.py`).

    Returns:
        The new states, and (B,) bool: whether each event was applied.

    Raises:
        ValueError: the batch doesn't fit the states, or has times or vectors that are not finite.

    >>> from transfer.state.states import empty_states
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
    weights = config.action_weights
    terms.check(states.users, config.dim, len(weights))
    if (weights[len(ACTIONS) :] <= 0).any() and (weights[terms.action] <= 0).any():
        return _apply_kinds(states, terms, config, weights)
    return _apply_acts(states, terms, config)


def _apply_kinds(
    states: InterestStates, terms: EventTerms, config: InterestConfig, weights: F64
) -> tuple[InterestStates, Bool]:
    """Acts, events against items and impressions, each into its own part."""
    weight = weights[terms.action]
    acts, against, shown = (np.flatnonzero(kind) for kind in (weight > 0, weight < 0, weight == 0))
    applied = np.ones(len(weight), np.bool_)
    after = states
    if len(acts):
        after, applied[acts] = _apply_acts(states, terms.take(acts), config)
    aside = states.aside or empty_aside(states.users, config.dim)
    if len(against):
        hidden = aside.hidden
        applied[against] = first_seen(hidden.offsets, hidden.key, terms.user[against], terms.key[against])
        fresh = against[applied[against]]
        if len(fresh):
            aside = add_against(aside, terms.take(fresh), config)
    if len(shown):
        aside = add_shown(aside, terms.take(shown), config)
    return replace(after, aside=aside), applied


def _apply_acts(
    states: InterestStates, terms: EventTerms, config: InterestConfig
) -> tuple[InterestStates, Bool]:
    applied = first_seen(states.ring_offsets, states.ring_key, terms.user, terms.key)
    if not applied.any():
        return states, applied
    chosen = terms if applied.all() else terms.take(np.flatnonzero(applied))
    after = _applied(states, chosen, config)
    over = np.flatnonzero(sizes_of(after.scenario_offsets) > config.most_scenarios)
    if not len(over):
        return after, applied
    number = np.full(states.users, NONE, np.int64)
    number[over] = np.arange(len(over))
    theirs = chosen.take(np.flatnonzero(number[chosen.user] >= 0))
    folded = _in_order(take_users(states, over), theirs.of_users(number), config)
    place = np.arange(states.users)
    place[over] = states.users + np.arange(len(over))
    return take_users(stack([after, folded]), place), applied


def merge_states(a: InterestStates, b: InterestStates, config: InterestConfig) -> InterestStates:
    """Join, user by user, the states of two logs that share no event; the order of the two does not matter.

    An event that is in both is counted twice in the sums, once in the ring.

    Raises:
        ValueError: the two hold different numbers of users, half-lives or dimensions.
    """
    if a.global_sums.shape != b.global_sums.shape:
        raise ValueError(f"states of different shape: {a.global_sums.shape} and {b.global_sums.shape}")
    merged = _fold(_merge(a, b, config, None), config)
    aside = merge_aside(a.aside, b.aside, a.users, config)
    declared = merge_declared(a.declared, b.declared, a.users, config.dim)
    return merged if aside is None and declared is None else replace(merged, aside=aside, declared=declared)


def _applied(states: InterestStates, terms: EventTerms, config: InterestConfig) -> InterestStates:
    """The states with distinct events, not folded."""
    after = _merge(states, aggregate(terms, states.users, config), config, terms)
    if states.aside is None and states.declared is None:
        return after
    return replace(after, aside=states.aside, declared=states.declared)


def _in_order(states: InterestStates, terms: EventTerms, config: InterestConfig) -> InterestStates:
    """The states with distinct events, folded after each event that brings a scenario too many."""
    limit = config.most_scenarios
    active = np.arange(states.users)
    arrivals = Arrivals.of(terms.user, states.users)
    finished: list[InterestStates] = []
    order: list[I64] = []
    while len(active):
        # Codes of the states and of the events meet in one table of names.
        names = sorted_names(states.scenario_names, terms.scenario_names)
        keys = renumbering(states.scenario_names, names)[states.scenario_code]
        window = arrivals.window(2 * limit)
        place = np.searchsorted(active, terms.user[window])
        scenario = renumbering(terms.scenario_names, names)[terms.scenario[window]]
        every = np.ones(len(window), np.bool_)
        until = first_too_many(states.scenario_offsets, keys, place, scenario, every, limit)
        now = window[np.arange(len(window)) <= until[place]]
        number = np.zeros(len(arrivals.start), np.int64)
        number[active] = np.arange(len(active))
        states = _fold(_applied(states, terms.take(now).of_users(number), config), config)
        arrivals.apply(terms.user[now])
        left = arrivals.left()[active]
        finished.append(take_users(states, np.flatnonzero(~left)))
        order.append(active[~left])
        states, active = take_users(states, np.flatnonzero(left)), active[left]
    return take_users(stack(finished), np.argsort(np.concatenate(order)))


def _merge(
    a: InterestStates, b: InterestStates, config: InterestConfig, terms: EventTerms | None
) -> InterestStates:
    """Both, with capped own items and rings; the slots are all there. terms: the events of `b` if it is made of events that
    `a` has not."""
    names = sorted_names(a.scenario_names, b.scenario_names)
    table = len(names)
    recode_a, recode_b = renumbering(a.scenario_names, names), renumbering(b.scenario_names, names)
    t_ref = np.maximum(a.t_ref, b.t_ref)
    decay_a = decay(elapsed(a.t_ref, t_ref), config.half_lives)
    decay_b = decay(elapsed(b.t_ref, t_ref), config.half_lives)

    global_sums = a.global_sums * decay_a[:, :-1, None]
    global_sums += b.global_sums * decay_b[:, :-1, None]
    slots = merge_slots(a, b, recode_a, recode_b, decay_a, decay_b)
    own = _merge_own(own_of_states(a, recode_a), own_of_states(b, recode_b), config, terms, names)
    whole = merge_ring(a, b, recode_a, recode_b, distinct=terms is not None)
    ring, left = keep_latest(whole, config.ring)
    note_left(slots, owners(whole.offsets)[left], whole.scenario[left], whole.time[left], table)

    used_names, renumber = names_in_use(names, slots.code)
    return InterestStates(
        half_lives_s=config.half_lives,
        t_ref=t_ref,
        t_first=np.minimum(a.t_first, b.t_first),
        n_events=a.n_events + b.n_events,
        global_sums=global_sums,
        scenario_names=used_names,
        scenario_offsets=slots.offsets,
        scenario_code=renumber[slots.code],
        scenario_sums=slots.sums,
        scenario_counts=slots.counts,
        scenario_extra=slots.extra,
        scenario_life=slots.life,
        scenario_first=slots.first,
        scenario_last=slots.last,
        scenario_before=slots.before,
        own_offsets=own.offsets,
        own_item=own.item,
        own_mass=own.mass,
        own_count=own.count,
        own_last=own.last,
        own_action=own.action,
        own_scenario=renumber[own.scenario],
        ring_offsets=ring.offsets,
        ring_key=ring.key,
        ring_time=ring.time,
        ring_item=ring.item,
        ring_action=ring.action,
        ring_scenario=renumber[ring.scenario],
    )


def _merge_own(
    a: OwnRows, b: OwnRows, config: InterestConfig, terms: EventTerms | None, names: tuple[str, ...]
) -> OwnRows:
    own = merge_own(a, b, config.half_lives)
    limit, cap = config.most_items, config.own_items
    if terms is None:
        return keep_heaviest(own, limit, cap, config.half_lives)
    if not (sizes_of(own.offsets) > limit).any():
        return own
    events = OwnEvents(
        terms.user.astype(np.int64),
        terms.item,
        terms.time,
        terms.action,
        renumbering(terms.scenario_names, names)[terms.scenario],
        terms.masses(config.action_weights),
    )
    return trim_in_order(own, a, events, limit, cap, config.half_lives)


def _fold(states: InterestStates, config: InterestConfig) -> InterestStates:
    """Fold the slots of users who have too many."""
    if not (sizes_of(states.scenario_offsets) > config.most_scenarios).any():
        return states
    names = sorted_names(states.scenario_names, (OTHER,))
    other, table = names.index(OTHER), len(names)
    recode = renumbering(states.scenario_names, names)
    slots, folded = fold_slots(
        slots_of_states(states, recode),
        other,
        config.most_scenarios,
        config.max_scenarios,
        config.action_weights,
        table,
    )
    used_names, renumber = names_in_use(names, slots.code)
    own_scenario = follow_fold(recode[states.own_scenario], states.own_offsets, folded, other, table)
    ring_scenario = follow_fold(recode[states.ring_scenario], states.ring_offsets, folded, other, table)
    return replace(
        states,
        scenario_names=used_names,
        scenario_offsets=slots.offsets,
        scenario_code=renumber[slots.code],
        scenario_sums=slots.sums,
        scenario_counts=slots.counts,
        scenario_extra=slots.extra,
        scenario_life=slots.life,
        scenario_first=slots.first,
        scenario_last=slots.last,
        scenario_before=slots.before,
        own_scenario=renumber[own_scenario],
        ring_scenario=renumber[ring_scenario],
    )
