"""A batch of events and the rings of its users -> the sequences that are counted. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from streams.events.columns import EventColumns
from transfer.arrays import F64, I64, U64, Bool
from transfer.codes import NONE
from transfer.counts.config import CountsConfig
from transfer.counts.steps import Sequences
from transfer.rows import first_of_each, group_starts, held, owners, sizes_of
from transfer.state.states import InterestStates


def batch_sequences(
    columns: EventColumns,
    states: InterestStates,
    item_keys: U64,
    applied: Bool,
    ring: int,
    config: CountsConfig,
) -> Sequences | None:
    """The applied events that name an item, each user's beside what the ring has of the window before; None: there are none.

    Args:
        columns: (B,) events.
        states: of `columns.users`, as they were before the batch.
        item_keys: (I,) of `columns.items`.
        applied: (B,) False for duplicates.
        ring: rows of a full ring. An event older than all of one has no place in the user's order any longer: it counts
            for the shares alone.
        config: how far to look back.
    """
    rows = np.flatnonzero(applied & (columns.item != NONE))
    if not len(rows):
        return None
    user, time = columns.user[rows].astype(np.int64), columns.time[rows]
    order = np.lexsort((time, user))
    rows, user, time = rows[order], user[order], time[order]

    offsets = states.ring_offsets
    sizes = sizes_of(offsets)
    oldest = np.full(states.users, -np.inf)
    full = np.flatnonzero(sizes >= ring)
    oldest[full] = states.ring_time[offsets[full]]
    placed = time >= oldest[user]
    first_new = np.full(states.users, np.inf)
    at = np.flatnonzero(placed)
    at = at[group_starts([user[at]])]
    first_new[user[at]] = time[at]

    wanted = item_keys[columns.item[rows]]
    debut = first_of_each([user, wanted]) & ~held(states.own_offsets, [states.own_item], user, [wanted])
    known = _window(states, first_new, config)
    every_user = np.concatenate([owners(offsets)[known], np.where(placed, user, states.users)])
    # Each without a place is a user of its own, behind all others.
    alone = np.flatnonzero(~placed) + len(known)
    every_user[alone] += np.arange(len(alone))
    every_time = np.concatenate([states.ring_time[known], time])
    in_order = np.lexsort((every_time, every_user))
    count = len(known)
    return Sequences(
        user=every_user[in_order],
        time=every_time[in_order],
        item=np.concatenate([states.ring_item[known], wanted])[in_order],
        scenario=np.concatenate([np.zeros(count, np.int32), columns.scenario[rows]])[in_order],
        scenario_names=columns.scenarios,
        fresh=in_order >= count,
        debut=np.concatenate([np.zeros(count, np.bool_), debut])[in_order],
    )


def _window(states: InterestStates, first_new: F64, config: CountsConfig) -> I64:
    """Ring rows from `pair_window` baskets before each user's first new event on; none of users without one (inf)."""
    offsets, time = states.ring_offsets, states.ring_time
    owner = owners(offsets)
    with_item = states.ring_item != 0
    first = first_new[owner]
    earlier = time < first
    opens = np.ones(len(time), np.bool_)
    opens[1:] = (time[1:] != time[:-1]) | (owner[1:] != owner[:-1])
    # Text alone is no step: a basket is counted where its first row with an item is.
    if not with_item.all():
        held = np.flatnonzero(with_item)
        opens[:] = False
        opens[held] = True
        opens[held[1:]] = (time[held[1:]] != time[held[:-1]]) | (owner[held[1:]] != owner[held[:-1]])
    number = np.cumsum(opens)
    # Of each user the number of the last basket before the first new event.
    ends = offsets[:-1] + np.bincount(owner[earlier], minlength=states.users)
    last = np.append(number, 0)[np.maximum(ends, 1) - 1]
    kept = with_item & np.isfinite(first) & (~earlier | (number > last[owner] - config.pair_window))
    return np.flatnonzero(kept)
