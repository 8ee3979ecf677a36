"""Users' events in order -> what they add to the counts, not yet summed: cheap enough for every flush.

A step is a basket: the distinct items of one user at one time. Its items are counted as coming after those of the up to
`pair_window` baskets before it, of these the latest `pair_events` items (within a basket in order of item key).

An event that comes late changes what follows what: the baskets after it are counted again with it, and what was counted for
them without it is taken off again. So the sum is the same in whatever order and batches events arrive, as long as the known
events that are given reach back over the window; the float64 sum cancels. Debuts are no such sums: of a user and an item
the event that is applied first counts, and a late one does not move it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64, I32, I64, U64, Bool
from transfer.counts.config import CountsConfig
from transfer.rows import group_starts


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
    debut: Bool
    """(E,) whether a new event is its user's first with the item; of known events it does not matter"""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What a batch adds: B events to the shares, G baskets to the transitions, over R rows of items.

    A basket is the rows `last:stop`, what leads to it the rows `first:last`, of these `near:last` the basket right before.
    """

    t_ref: float
    item: U64
    """(R,) item keys"""
    event: I64
    """(B,) row of each new event"""
    event_time: F64
    debut: Bool
    """(B,) whether the event is its user's first with the item"""
    scenario: I32
    """(B,) position in scenario_names"""
    scenario_names: Sequence[str]
    first: I64
    near: I64
    last: I64
    stop: I64
    basket_time: F64
    sign: F64
    """(G,) 1, or -1: to be taken off"""

    @property
    def pairs(self) -> int:
        """How many pairs there are to sum."""
        return int(((self.last - self.first) * (self.stop - self.last)).sum())


def steps_of(sequences: Sequences, config: CountsConfig) -> Steps | None:
    """What the new events add; None if they name no item.

    >>> one = Sequences(
    ...     user=np.zeros(3, np.int64), time=np.array([1.0, 2.0, 2.0]), item=np.array([7, 8, 9], np.uint64),
    ...     scenario=np.zeros(3, np.int32), scenario_names=("books",), fresh=np.array([False, True, True]),
    ...     debut=np.array([False, True, False]))
    >>> steps = steps_of(one, CountsConfig())
    >>> steps.first.tolist(), steps.last.tolist(), steps.stop.tolist(), steps.pairs
    ([0], [1], [3], 2)
    """
    user, time, item, new = sequences.user, sequences.time, sequences.item, sequences.fresh
    scenario, debut = sequences.scenario, sequences.debut
    counted = item != 0
    if not counted.all():
        user, time, item, new, scenario, debut = (
            column[counted] for column in (user, time, item, new, scenario, debut)
        )
    if not new.any():
        return None
    event, event_time, scenario, debut = np.flatnonzero(new), time[new], scenario[new], debut[new]
    t_ref = float(time.max())
    basket = np.cumsum(_opens(user, time)) - 1
    if basket[-1] + 1 < len(basket):
        # An item that is in its basket already adds nothing to the transitions: the known one comes first and stays.
        order = np.lexsort((new, item, basket))
        sorted_item, sorted_basket = item[order], basket[order]
        opens = np.ones(len(order), np.bool_)
        opens[1:] = (sorted_item[1:] != sorted_item[:-1]) | (sorted_basket[1:] != sorted_basket[:-1])
        row = np.empty(len(order), np.int64)
        row[order] = np.cumsum(opens) - 1
        kept = order[opens]
        event = row[event]
        user, time, item, new = user[kept], time[kept], item[kept], new[kept]

    affected = _affected(user, time, new)
    parts = [_baskets(user, time, affected, config)]
    signs = [np.ones(len(parts[0][0]))]
    gone = affected & ~new
    if gone.any():
        known = np.flatnonzero(~new)
        shift, item = len(item), np.concatenate([item, item[known]])
        first, near, last, stop, at = _baskets(user[known], time[known], gone[known], config)
        parts.append((first + shift, near + shift, last + shift, stop + shift, at))
        signs.append(np.full(len(at), -1.0))
    first, near, last, stop, basket_time = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Steps(
        t_ref=t_ref,
        item=item,
        event=event,
        event_time=event_time,
        debut=debut,
        scenario=scenario,
        scenario_names=sequences.scenario_names,
        first=first,
        near=near,
        last=last,
        stop=stop,
        basket_time=basket_time,
        sign=np.concatenate(signs),
    )


def _opens(user: I64, time: F64) -> Bool:
    """Whether each row is the first of a basket."""
    opens = np.ones(len(user), np.bool_)
    opens[1:] = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
    return opens


def _affected(user: I64, time: F64, new: Bool) -> Bool:
    """Rows from their user's first basket with something new on."""
    at = np.flatnonzero(new)
    if not len(at):
        return np.zeros(len(user), np.bool_)
    at = at[group_starts([user[at]])]
    place = np.minimum(np.searchsorted(user[at], user), len(at) - 1)
    affected: Bool = (user[at][place] == user) & (time >= time[at][place])
    return affected


def _baskets(user: I64, time: F64, chosen: Bool, config: CountsConfig) -> tuple[I64, I64, I64, I64, F64]:
    """The baskets of the chosen rows that something leads to: first, near, last, stop as in `Steps`, and their times."""
    starts = np.flatnonzero(_opens(user, time))
    owner = user[starts]
    user_starts = group_starts([owner])
    earliest = np.repeat(user_starts, np.diff(user_starts, append=len(owner)))
    at = np.flatnonzero(chosen[starts] & (np.arange(len(starts)) > earliest))
    last = starts[at]
    first = np.maximum(starts[np.maximum(at - config.pair_window, earliest[at])], last - config.pair_events)
    near = np.maximum(first, starts[at - 1])
    return first, near, last, np.append(starts, len(user))[at + 1], time[last]
