"""What to show a user: new items near the fused vector, and the user's own items again, in one readable mixture.

    p(i) = g p_again(i) + (1 - g) p_new(i)

g is the smoothed share of repeats in the user's own history (`transfer.again.repeat_share`); p_again the decayed counts and
recency of the own items (`transfer.again.again_scores`); p_new a softmax of the cosine similarity over the items that the
search found, at temperature `NEW_TEMPERATURE`. The learned mixture takes the place of `mixture`, nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from sinks.points import ItemRecord, ScoredItem
from streams.errors import UserNotFound
from streams.workspace import Workspace
from transfer.again import again_scores, repeat_share
from transfer.packing import unpack
from transfer.states import InterestStates

Mode = Literal["new", "again", "mixed"]
MODES: tuple[str, ...] = get_args(Mode)

NEW_TEMPERATURE = 0.05
"""Cosines of whitened vectors differ by tenths: at this temperature the best few of the candidates carry the mass."""
CANDIDATES = 100
"""New items that compete, at least; the softmax is over these."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of the answer. source: "new" or "again"; score: its probability in the mixture."""

    item_id: str
    title: str
    scenario: str
    score: float
    source: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def recommend(
    workspace: Workspace,
    user_id: str,
    k: int = 10,
    scenario: str | None = None,
    mode: Mode = "mixed",
    exclude_seen: bool = False,
) -> list[Recommendation]:
    """The best `k` items for the user, best first.

    With `scenario` the query is that scenario's slot blended with the user's global interest, and both sources are
    limited to items of that scenario, where items belong to it; a scenario without items of its own (an entry page,
    say) takes all items. `exclude_seen` leaves out whatever the state still knows the user to have met, in
    the own items and in the ring.

    Raises:
        UserNotFound: the store has no such user.
    """
    states, fused = read_state(workspace, user_id)
    query = fused if scenario is None else workspace.model.scenario_query(states, 0, scenario)
    again: list[Recommendation] = []
    new: list[Recommendation] = []
    gate = float(repeat_share(states, workspace.settings.transfer)[0])
    within = scenario if scenario is None or workspace.store.items.search(query, 1, scenario) else None
    if mode != "new" and not exclude_seen:
        again = _again(workspace, states, within)
    if mode != "again":
        known = {*states.own_item.tolist(), *states.ring_item.tolist()} - {0}
        found = workspace.store.items.search(query, max(k, CANDIDATES), within, sorted(known))
        new = _new(found)
    if mode == "mixed" and again and new:
        again = [_scaled(item, gate) for item in again]
        new = [_scaled(item, 1 - gate) for item in new]
    return mixture(again, new, k)


def mixture(again: Sequence[Recommendation], new: Sequence[Recommendation], k: int) -> list[Recommendation]:
    """The best k of both; ties by item id, so that the answer is stable."""
    return sorted([*again, *new], key=lambda item: (-item.score, item.item_id))[:k]


def read_state(workspace: Workspace, user_id: str) -> tuple[InterestStates, npt.NDArray[np.float32]]:
    """One user's state and fused vector.

    Raises:
        UserNotFound: the store has no such user.
    """
    (record,) = workspace.store.users.read([user_id], with_vectors=True)
    if record is None or record.fused is None:
        raise UserNotFound(
            f"the store knows no user {user_id!r}; `driftline export` lists those it knows, and new ones appear "
            "with their first event"
        )
    return unpack([record.state], workspace.interest), record.fused


def _again(workspace: Workspace, states: InterestStates, scenario: str | None) -> list[Recommendation]:
    scores = again_scores(states, workspace.settings.transfer)
    records = workspace.store.items.read(states.own_item.tolist())
    kept = [
        (record, float(score))
        for record, score in zip(records, scores, strict=True)
        if record is not None and (scenario is None or record.scenario == scenario)
    ]
    total = sum(score for _, score in kept)
    return [_of(record, score / total if total > 0 else 0.0, "again") for record, score in kept]


def _new(found: Sequence[ScoredItem]) -> list[Recommendation]:
    if not found:
        return []
    # Items of one content have one vector: in a list of ten they would be one choice ten times.
    found = list({(item.title, item.scenario, item.score): item for item in reversed(found)}.values())[::-1]
    logits = np.array([item.score for item in found]) / NEW_TEMPERATURE
    share = np.exp(logits - logits.max())
    share /= share.sum()
    return [_of(item, float(score), "new") for item, score in zip(found, share, strict=True)]


def _of(item: ItemRecord | ScoredItem, score: float, source: str) -> Recommendation:
    return Recommendation(item.item_id, item.title, item.scenario, score, source)


def _scaled(item: Recommendation, factor: float) -> Recommendation:
    return Recommendation(item.item_id, item.title, item.scenario, item.score * factor, item.source)
