"""What to show a user: the items that the model's ranker scores best, each with its source and reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from sinks.points import ItemRecord
from streams.errors import UserNotFound
from streams.serving.because import Because, Reasons
from streams.serving.model_ranker import ranker_of
from streams.serving.ranker import ItemScores, Ranker
from streams.workspace.workspace import Workspace
from transfer.arrays import I64, U64
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates

RecommendMode = Literal["new", "again", "mixed"]
PAGE = 10
"""Items that are read beyond those to be shown: some will look like another."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of the answer. source: "new", "again", and of a trained model "next" or "popular"; score: its probability
    in the mixture; because: what speaks for it most."""

    item_id: str
    title: str
    scenario: str
    score: float
    source: str
    because: Because | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def recommend(
    workspace: Workspace,
    user_id: str,
    k: int = 10,
    scenario: str | None = None,
    mode: RecommendMode = "mixed",
    exclude_seen: bool = False,
    ranker: Ranker | None = None,
) -> list[Recommendation]:
    """The best `k` items for the user, best first; ties by item key, so that the answer is stable.

    With `scenario` the query is that of the scenario, and the items are limited to those that belong to it; a scenario without
    items of its own (an entry page, say) takes all items. `exclude_seen` leaves out whatever the state still knows the user to
    have met, in the own items and in the ring; so does `mode="new"`. `ranker`: of `ranker_of`, to be held for many calls.

    Raises:
        UserNotFound: the store has no such user.
    """
    states = read_state(workspace, user_id)
    own, met = states.own_item, np.union1d(states.own_item, states.ring_item[states.ring_item > 0])
    ranker = ranker or ranker_of(workspace)
    ranked = ranker.score(states, [scenario], k + len(met) - len(own), explained=True)
    shown = _shown(workspace, ranked, _ranked(ranked, own, met, mode, exclude_seen), own, k)
    known = workspace.store.items.read(met.tolist(), with_vectors=True)
    reasons = Reasons(states, dict(zip(met.tolist(), known, strict=True)), workspace.interest)
    why = ranked.reasons(0, np.array([column for _, column in shown], np.int64))
    return [
        Recommendation(
            item_id=item.item_id,
            title=item.title,
            scenario=reason.scenario or item.scenario,
            score=float(ranked.scores[0, column]),
            source=reason.source,
            because=reasons.of(reason, item),
        )
        for (item, column), reason in zip(shown, why, strict=True)
    ]


def read_state(workspace: Workspace, user_id: str) -> InterestStates:
    """One user's state.

    Raises:
        UserNotFound: the store has no such user.
    """
    (record,) = workspace.store.users.read([user_id])
    if record is None:
        raise UserNotFound(
            f"the store knows no user {user_id!r}; `driftline export` lists those it knows, and new ones appear "
            "with their first event"
        )
    return unpack_states([record.state], workspace.interest)


def _ranked(found: ItemScores, own: U64, met: U64, mode: RecommendMode, exclude_seen: bool) -> I64:
    """Columns of the items that may be shown, best first."""
    scores = found.scores[0]
    allowed = scores > 0
    if mode == "again":
        allowed &= np.isin(found.keys, own)
    elif mode == "new" or exclude_seen:
        allowed &= ~np.isin(found.keys, met)
    columns = np.flatnonzero(allowed)
    ranked: I64 = columns[np.lexsort((found.keys[columns], -scores[columns]))]
    return ranked


def _shown(
    workspace: Workspace, found: ItemScores, ranked: I64, own: U64, k: int
) -> list[tuple[ItemRecord, int]]:
    """The first `k` items and their columns, but for those that have left the store."""
    shown: list[tuple[ItemRecord, int]] = []
    looks: set[tuple[str, str, float]] = set()
    for begin in range(0, len(ranked), PAGE + k):
        columns = ranked[begin : begin + PAGE + k]
        keys = found.keys[columns]
        again = np.isin(keys, own)
        records = workspace.store.items.read(keys.tolist(), with_vectors=True)
        for record, column, owned in zip(records, columns.tolist(), again.tolist(), strict=True):
            if len(shown) == k:
                return shown
            if record is None:
                continue
            # New items of one content have one vector: in a list of ten they would be one choice ten times.
            look = (record.title or record.item_id, record.scenario, float(found.scores[0, column]))
            if owned or look not in looks:
                looks.add(look)
                shown.append((record, column))
    return shown
