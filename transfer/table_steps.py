"""Users' events in order -> what they add to the tables, not yet summed: cheap enough for every flush.

A step is a basket: the distinct items of one user at one time. Its items are counted as coming after those of the up to
`pair_window` baskets before it, of these the latest `pair_events` items (within a basket in order of item key).

An event that comes late changes what follows what: the baskets after it are counted anew with it, and what was counted for
them without it is taken off again. So the sum is the same in whatever order and batches events arrive, as long as the known
events that are given reach back over the window; the float64 sum cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I8, I32, I64, U64, Bool
from transfer.rows import group_starts
from transfer.tables_config import TablesConfig


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """E events of some users, in order of (user, time): new ones, and known ones that are counted already.

    Of a user's known events those from `pair_window` baskets before the first new one on are of use.
    """

    user: I64
    """(E,) any numbers, ascending"""
    time: F64
    """(E,) ascending within a user"""
    item: U64
    """(E,) item key, 0 for none: such an event counts for nothing here"""
    scenario: I32
    """(E,) position in scenario_names; of known events it does not matter"""
    scenario_names: Sequence[str]
    fresh: Bool
    """(E,) whether the event is new"""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What a batch adds: B events to the shares, T targets to the transitions, over R rows of items.

    A target's sources are the rows `first:last`; those from `near` on are of the basket right before.
    """

    t_ref: float
    item: U64
    """(R,) item keys"""
    event: I64
    """(B,) row of each new event"""
    event_time: F64
    scenario: I32
    """(B,) position in scenario_names"""
    scenario_names: Sequence[str]
    target: I64
    """(T,) row"""
    first: I64
    near: I64
    last: I64
    target_time: F64
    sign: I8
    """(T,) 1, or -1: to be taken off"""

    @property
    def pairs(self) -> int:
        """How many pairs there are to sum."""
        return int((self.last - self.first).sum())


def steps_of(sequences: Sequences, config: TablesConfig) -> Steps | None:
    """What the new events add; None if they name no item.

    >>> one = Sequences(
    ...     user=np.zeros(3, np.int64), time=np.array([1.0, 2.0, 2.0]), item=np.array([7, 8, 9], np.uint64),
    ...     scenario=np.zeros(3, np.int32), scenario_names=("books",), fresh=np.array([False, True, True]))
    >>> steps = steps_of(one, TablesConfig())
    >>> steps.item[steps.target].tolist(), steps.first.tolist(), steps.last.tolist()
    ([8, 9], [0, 0], [1, 1])
    """
    counted = sequences.item != 0
    fresh = sequences.fresh & counted
    if not fresh.any():
        return None
    user, time, item = sequences.user[counted], sequences.time[counted], sequences.item[counted]
    new = fresh[counted]
    row = np.arange(len(user))
    if ((user[1:] == user[:-1]) & (time[1:] == time[:-1])).any():
        # An item that is in its basket already adds nothing to the transitions: the known one comes first and stays.
        order = np.lexsort((new, item, time, user))
        starts = group_starts([user[order], time[order], item[order]])
        kept = order[starts]
        row[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    else:
        kept = row
    event_time = time[new]
    t_ref = float(time.max())
    event, user, time, item, new = row[new], user[kept], time[kept], item[kept], new[kept]

    target, first, near, last = _targets(user, time, _affected(user, time, new), config)
    parts = [(target, first, near, last, time[target], np.ones(len(target), np.int8))]
    gone = _affected(user, time, new) & ~new
    if gone.any():
        known = np.flatnonzero(~new)
        before = _targets(user[known], time[known], gone[known], config)
        shift = len(item)
        item = np.concatenate([item, item[known]])
        taken_off = np.full(len(before[0]), -1, np.int8)
        parts.append(
            (
                before[0] + shift,
                before[1] + shift,
                before[2] + shift,
                before[3] + shift,
                time[known][before[0]],
                taken_off,
            )
        )
    target, first, near, last, target_time, sign = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    return Steps(
        t_ref=t_ref,
        item=item,
        event=event,
        event_time=event_time,
        scenario=sequences.scenario[fresh],
        scenario_names=sequences.scenario_names,
        target=target,
        first=first,
        near=near,
        last=last,
        target_time=target_time,
        sign=sign,
    )


def _affected(user: I64, time: F64, new: Bool) -> Bool:
    """Rows from their user's first basket with something new on."""
    at = np.flatnonzero(new)
    at = at[group_starts([user[at]])] if len(at) else at
    if not len(at):
        return np.zeros(len(user), np.bool_)
    place = np.searchsorted(user[at], user)
    there = np.minimum(place, len(at) - 1)
    affected: Bool = (user[at][there] == user) & (time >= time[at][there])
    return affected


def _targets(user: I64, time: F64, chosen: Bool, config: TablesConfig) -> tuple[I64, I64, I64, I64]:
    """The chosen rows that have sources: row, first source, first of the basket right before, end of sources."""
    starts = group_starts([user, time])
    basket = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(user)))
    owner = user[starts]
    user_starts = group_starts([owner])
    earliest = np.repeat(user_starts, np.diff(user_starts, append=len(owner)))
    target = np.flatnonzero(chosen & (basket > earliest[basket]))
    at = basket[target]
    last = starts[at]
    first = np.maximum(starts[np.maximum(at - config.pair_window, earliest[at])], last - config.pair_events)
    return target, first, np.maximum(first, starts[at - 1]), last
