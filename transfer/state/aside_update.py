"""Events of a weight of 0 or below into the part of a state that they have for themselves (`transfer/state/aside.py`)."""

import numpy as np

from transfer.config import InterestConfig
from transfer.rows import last_in_segment, offsets_of, sizes_of, union
from transfer.state.aside import AsideStates, HiddenRows, ShownRows, empty_aside
from transfer.state.decay import decay, elapsed
from transfer.state.own import OwnEvents, OwnRows, keep_heaviest, merge_own, own_of_events, trim_in_order
from transfer.state.terms import EventTerms


def add_against(aside: AsideStates, terms: EventTerms, config: InterestConfig) -> AsideStates:
    """With distinct events of weights below 0, which are not in there.

    Raises:
        ValueError: a vector of an event is not finite.
    """
    users = aside.users
    order = np.lexsort((terms.key, terms.time, terms.user))
    user, time = terms.user[order].astype(np.int64), terms.time[order]
    t_against = np.full(users, -np.inf)
    np.maximum.at(t_against, user, time)
    size = (
        decay(t_against[user] - time, config.half_lives[-1:])[:, 0]
        * -terms.masses(config.action_weights)[order]
    )
    vectors = terms.vectors[terms.vector[order]].astype(np.float64)
    if not np.isfinite(vectors).all():
        raise ValueError("a vector of the batch is not finite")
    sums = np.zeros((users, config.dim))
    np.add.at(sums, user, size[:, None] * vectors)
    offsets = offsets_of(np.bincount(user, minlength=users))
    added = AsideStates(
        t_against,
        sizes_of(offsets),
        np.bincount(user, size, users).astype(np.float64, copy=False),
        sums,
        HiddenRows(offsets, terms.key[order], time, terms.item[order], terms.action[order]),
        empty_aside(users, 0).shown,
    )
    return _sum(aside, added, aside.shown, config)


def add_shown(aside: AsideStates, terms: EventTerms, config: InterestConfig) -> AsideStates:
    """With events of weight 0; what names no item is nothing."""
    before = _rows_of_shown(aside.shown)
    events = OwnEvents(
        terms.user.astype(np.int64),
        terms.item,
        terms.time,
        np.zeros(len(terms.time), np.uint8),
        np.zeros(len(terms.time), np.int32),
        np.ones(len(terms.time)),
    )
    half_life = config.half_lives[-1:]
    merged = merge_own(before, own_of_events(events, aside.users, half_life), half_life)
    kept = trim_in_order(merged, before, events, config.most_shown, config.shown_items, half_life)
    return AsideStates(
        aside.t_against, aside.n_against, aside.mass, aside.sums, aside.hidden, _shown_of_rows(kept)
    )


def merge_aside(
    a: AsideStates | None, b: AsideStates | None, users: int, config: InterestConfig
) -> AsideStates | None:
    """Join those of two logs that share no event, user by user."""
    if a is None and b is None:
        return None
    a, b = a or empty_aside(users, config.dim), b or empty_aside(users, config.dim)
    half_life = config.half_lives[-1:]
    shown = merge_own(_rows_of_shown(a.shown), _rows_of_shown(b.shown), half_life)
    kept = keep_heaviest(shown, config.most_shown, config.shown_items, half_life)
    return _sum(a, b, _shown_of_rows(kept), config)


def _sum(a: AsideStates, b: AsideStates, shown: ShownRows, config: InterestConfig) -> AsideStates:
    """Sums and rings of both."""
    t_against = np.maximum(a.t_against, b.t_against)
    left_a, left_b = (
        decay(elapsed(side.t_against, t_against), config.half_lives[-1:])[:, 0] for side in (a, b)
    )
    return AsideStates(
        t_against,
        a.n_against + b.n_against,
        a.mass * left_a + b.mass * left_b,
        a.sums * left_a[:, None] + b.sums * left_b[:, None],
        _latest(_joined(a.hidden, b.hidden), config.hidden_items),
        shown,
    )


def _joined(a: HiddenRows, b: HiddenRows) -> HiddenRows:
    joint = union(a.offsets, [a.time, a.key], b.offsets, [b.time, b.key])
    rows = HiddenRows(
        joint.offsets,
        np.empty(joint.size, np.uint64),
        np.empty(joint.size),
        np.empty(joint.size, np.uint64),
        np.empty(joint.size, np.uint8),
    )
    for side, place in ((a, joint.place_a), (b, joint.place_b)):
        rows.key[place], rows.time[place] = side.key, side.time
        rows.item[place], rows.action[place] = side.item, side.action
    return rows


def _latest(rows: HiddenRows, count: int) -> HiddenRows:
    sizes = sizes_of(rows.offsets)
    if not (sizes > count).any():
        return rows
    kept = np.flatnonzero(last_in_segment(rows.offsets, count))
    return rows.take(kept, offsets_of(np.minimum(sizes, count)))


def _rows_of_shown(shown: ShownRows) -> OwnRows:
    """As own items are, whose sums and trimming serve here, too."""
    return OwnRows(
        shown.offsets,
        shown.item,
        shown.count[:, None],
        shown.number,
        shown.last,
        np.zeros(len(shown.item), np.uint8),
        np.zeros(len(shown.item), np.int32),
    )


def _shown_of_rows(rows: OwnRows) -> ShownRows:
    return ShownRows(rows.offsets, rows.item, rows.mass[:, 0].copy(), rows.count, rows.last)
