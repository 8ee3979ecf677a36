"""States whose actions are not all those that a model was trained with, as that model reads them.

An action that training never saw counts as the known one above weight 0 whose weight is nearest (the first of them on a tie),
in counts, own items and ring. What it adds to the masses is what the settings say: the difference goes where masses that
quantity or value weigh go (`scenario_extra`), so no mass changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transfer.arrays import F64, U8
from transfer.config import InterestConfig
from transfer.errors import ModelError
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True, eq=False)
class ActionReading:
    """How the codes of states are read as those of a model."""

    code: U8
    """(A,) the model's code for each of the states' codes"""
    share: F64
    """(A, M) 1 where an action counts as one of the model's M"""
    excess: F64
    """(A,) weight of the action above that of the one that it counts as"""

    def __call__(self, states: InterestStates) -> InterestStates:
        """The states with the model's actions."""
        return replace(
            states,
            scenario_counts=states.scenario_counts @ self.share,
            scenario_life=states.scenario_life @ self.share.astype(np.int64),
            scenario_extra=states.scenario_extra + states.scenario_counts @ self.excess,
            own_action=self.code[states.own_action],
            ring_action=self.code[states.ring_action],
        )


def reading_of(states: InterestConfig, model: InterestConfig) -> ActionReading | None:
    """How a model reads states of these settings; None: as they are.

    Raises:
        ModelError: an action that both know has another weight.

    >>> trained, now = InterestConfig(), InterestConfig(actions={"hide": -1.0, "like": 2.5})
    >>> reading_of(now, trained).code.tolist()
    [0, 1, 2, 0, 2]
    """
    if states.action_names == model.action_names and states.actions == model.actions:
        return None
    known = dict(zip(model.action_names, model.action_weights.tolist(), strict=True))
    code = []
    for name, weight in zip(states.action_names, states.action_weights.tolist(), strict=True):
        if name in known and known[name] != weight:
            raise ModelError(
                f"the model was trained with a weight of {known[name]:g} for the action {name!r}, the settings say {weight:g}; "
                "set interest.actions as it was, or train the model again"
            )
        code.append(model.action_code(name) if name in known else _nearest(weight, model))
    share = np.zeros((len(code), len(known)))
    share[np.arange(len(code)), code] = 1.0
    excess = states.action_weights - model.action_weights[code]
    # Nothing of a weight of 0 or below is ever counted.
    excess[states.action_weights <= 0] = 0.0
    return ActionReading(np.array(code, np.uint8), share, excess)


def _nearest(weight: float, model: InterestConfig) -> int:
    distance = np.where(model.action_weights > 0, np.abs(model.action_weights - weight), np.inf)
    return int(np.argmin(distance))
