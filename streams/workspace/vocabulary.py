"""Which actions there are, with a store in hand: its own under its codes, then those of the settings that it does not know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sinks.actions import StoredAction, require_same_actions
from sinks.protocols import Actions
from transfer.arrays import U8
from transfer.config import ACTIONS, InterestConfig


def with_vocabulary(interest: InterestConfig, stored: list[StoredAction]) -> InterestConfig:
    """The settings with the store's actions first, in order of its codes; one that they don't name keeps its weight.

    Raises:
        ActionsDiffer: an action that events were counted with has another weight in the settings, one is spelled in another
            way, or there are too many.

    >>> stored = [StoredAction("hide", -1.0, True)]
    >>> with_vocabulary(InterestConfig(actions={"shown": 0.0}), stored).action_names[3:]
    ('hide', 'shown')
    """
    require_same_actions(stored, interest.actions)
    kept = {action.name: interest.actions.get(action.name, action.weight) for action in stored}
    actions = kept | interest.actions
    if list(actions) == list(interest.actions):
        return interest
    return interest.model_copy(update={"actions": actions})


def register_actions(actions: Actions, interest: InterestConfig) -> InterestConfig:
    """As `with_vocabulary`, after those that are new to the store have their codes there.

    Raises:
        ActionsDiffer: see there; nothing was changed.
        StoreUnavailable: the store does not answer.
    """
    stored = actions.register(interest.actions) if interest.actions else actions.known()
    return with_vocabulary(interest, stored)


class ActionUse:
    """Tells a store which actions events are written with, each before the first of them."""

    def __init__(self, actions: Actions, interest: InterestConfig) -> None:
        self._actions = actions
        self._weights: Mapping[str, float] = dict(interest.actions)
        self._names = interest.action_names
        self._told: set[int] = set(range(len(ACTIONS)))

    def tell(self, codes: U8) -> None:
        """Events of these codes (B,) are about to be written.

        Raises:
            ActionsDiffer: another process has changed the weight of one of them meanwhile.
            StoreUnavailable: the store does not answer.
        """
        if len(self._names) == len(ACTIONS):
            return
        fresh = set(np.flatnonzero(np.bincount(codes)).tolist()) - self._told
        if fresh:
            self._actions.use({self._names[code]: self._weights[self._names[code]] for code in fresh})
            self._told |= fresh
