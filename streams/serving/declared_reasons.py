"""Whether an item is there for what the user declared, rather than for what the user did: by the parts of the query."""

from __future__ import annotations

from streams.workspace.workspace import Workspace
from transfer.analytic.model import AnalyticTransfer, DeclaredParts
from transfer.arrays import F32
from transfer.state.declared import DeclaredRow
from transfer.state.states import InterestStates


class DeclaredReasons:
    """Of one user's request to the analytic model."""

    def __init__(self, parts: DeclaredParts) -> None:
        self._parts = parts

    def of(self, vector: F32) -> DeclaredRow | None:
        """The text that speaks for an item of this vector (D,) most; None where what the user did says as much, or nothing
        declared is near."""
        said, done = float(self._parts.said @ vector), float(self._parts.done @ vector)
        if said <= max(done, 0.0):
            return None
        return max(self._parts.texts, key=lambda row: float(row.vector @ vector))


def declared_reasons(
    workspace: Workspace, states: InterestStates, scenario: str | None
) -> DeclaredReasons | None:
    """Of the only user of these states; None: nothing was declared, or the model is told of it otherwise."""
    model = workspace.model
    if states.declared is None or not states.declared.speaks()[0] or not isinstance(model, AnalyticTransfer):
        return None
    return DeclaredReasons(model.declared_parts(states, 0, scenario))
