"""A batch of events as the interest state takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer.arrays import F32, F64, I32, I64, U8, U64

COLUMNS = ("user", "time", "key", "action", "item", "scenario", "vector")


@dataclass(frozen=True, slots=True, eq=False)
class EventTerms:
    """B events: each adds its action's weight (times its own, if it has one) times a unit vector to its user's decayed sums.

    Equal (user, key) is the same event. An `item` of 0 is text alone: it counts, but is no own item.
    """

    user: I32
    """(B,) user row, 0..U-1."""
    time: F64
    """(B,) event time in seconds, finite."""
    key: U64
    """(B,) identity of the event."""
    action: U8
    """(B,) position in `InterestConfig.action_names`."""
    item: U64
    """(B,) item key, 0 for none."""
    scenario: I32
    """(B,) position in scenario_names."""
    scenario_names: Sequence[str]
    vectors: F32
    """(N, D) unit vectors, shared by the events."""
    vector: I32
    """(B,) row of `vectors`."""
    weight: F64 | None = None
    """(B,) what quantity, value or time spent make of the action's weight, a factor; None: 1 for all."""

    def take(self, rows: I64) -> "EventTerms":
        """Some of the events, over the same tables."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, **columns, weight=None if self.weight is None else self.weight[rows])

    def of_users(self, number: I64) -> "EventTerms":
        """The same events with users renumbered: user u becomes `number[u]`."""
        return replace(self, user=number[self.user].astype(np.int32))

    def masses(self, weights: F64) -> F64:
        """(B,) what each event adds to the sums right away; weights (A,) of the actions."""
        each: F64 = weights[self.action]
        return each if self.weight is None else each * self.weight

    def check(self, users: int, dim: int, actions: int) -> None:
        """Refuse a batch that would spoil states for good.

        Raises:
            ValueError: columns of unequal length, indices out of range, times not finite, another dimension.
        """
        lengths = [len(getattr(self, name)) for name in COLUMNS]
        if self.weight is not None:
            lengths.append(len(self.weight))
            if not (np.isfinite(self.weight) & (self.weight > 0)).all():
                raise ValueError("a weight of an event is not a number above 0")
        if len(set(lengths)) != 1:
            raise ValueError(f"columns of unequal length: {lengths}")
        if self.vectors.ndim != 2 or self.vectors.shape[1] != dim:
            raise ValueError(f"vectors have shape {self.vectors.shape}, the states hold {dim} dimensions")
        if not np.isfinite(self.time).all():
            raise ValueError("an event time is not finite")
        for name, column, bound in (
            ("user", self.user, users),
            ("action", self.action, actions),
            ("scenario", self.scenario, len(self.scenario_names)),
            ("vector", self.vector, len(self.vectors)),
        ):
            if len(column) and not 0 <= int(column.min()) <= int(column.max()) < bound:
                raise ValueError(f"{name} must lie in 0..{bound - 1}, got {column.min()}..{column.max()}")
