"""What to show a user: the items that the model's ranker scores best, each with its source and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from sinks.item_filter import AttributeTest, passes_all
from sinks.points import ItemRecord
from streams.errors import UserNotFound
from streams.serving.because import Because, Reasons
from streams.serving.item_tests import available_at
from streams.serving.model_ranker import ranker_of
from streams.serving.ranker import ItemScores, Ranker
from streams.workspace.workspace import Workspace
from transfer.arrays import I64, U64
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates

RecommendMode = Literal["new", "again", "mixed"]
PAGE = 10
"""Items that are read beyond those to be shown: some will look like another."""
MOST_AT_A_TIME = 500
"""Items that are read at once where few pass the tests."""


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
    """What `Recommender` recommends now. `ranker`: of `ranker_of`, to be held for many calls.

    Raises:
        UserNotFound: the store has no such user.
    """
    return Recommender(workspace, ranker).recommend(user_id, k, scenario, mode, exclude_seen)


class Recommender:
    """Answers requests from a store. Items that are hidden or not available at the time are left out."""

    def __init__(
        self,
        workspace: Workspace,
        ranker: Ranker | None = None,
        tests: Sequence[AttributeTest] = (),
        at: float | None = None,
    ) -> None:
        """
        Args:
            ranker: of `ranker_of`.
            tests: all of them an item has to pass.
            at: the time of the requests, in unix seconds; None: now.
        """
        self._workspace = workspace
        self._ranker = ranker or ranker_of(workspace)
        self._tests = tests
        self._at = at

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        scenario: str | None = None,
        mode: RecommendMode = "mixed",
        exclude_seen: bool = False,
    ) -> list[Recommendation]:
        """The best `k` items for the user, best first; ties by item key, so that the answer is stable.

        With `scenario` the query is that of the scenario, and the items are limited to those that belong to it; a scenario
        without items of its own (an entry page, say) takes all items. `exclude_seen` leaves out whatever the state still knows
        the user to have met, in the own items and in the ring; so does `mode="new"`.

        Raises:
            UserNotFound: the store has no such user.
        """
        workspace = self._workspace
        states = read_state(workspace, user_id)
        own, met = states.own_item, np.union1d(states.own_item, states.ring_item[states.ring_item > 0])
        tests = (*available_at(workspace.now() if self._at is None else self._at), *self._tests)
        asked = k + len(met) - len(own)
        ranked = self._ranker.score(states, [scenario], asked, explained=True)
        columns = _ranked(ranked, own, met, mode, exclude_seen)
        shown = _shown(workspace, ranked, columns, own, k, tests)
        if (
            shown.refused
            and mode != "again"
            and _may_lack(ranked, columns[shown.seen :], own, asked, shown, k)
        ):
            ranked = self._ranker.score(states, [scenario], asked, explained=True, tests=tests)
            columns = _ranked(ranked, own, met, mode, exclude_seen)
            shown = _shown(workspace, ranked, columns, own, k, tests)
        known = workspace.store.items.read(met.tolist(), with_vectors=True)
        reasons = Reasons(states, dict(zip(met.tolist(), known, strict=True)), workspace.interest)
        why = ranked.reasons(0, np.array(shown.columns, np.int64))
        return [
            Recommendation(
                item_id=item.item_id,
                title=item.title,
                scenario=reason.scenario or item.scenario,
                score=float(ranked.scores[0, column]),
                source=reason.source,
                because=reasons.of(reason, item),
            )
            for item, column, reason in zip(shown.items, shown.columns, why, strict=True)
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


@dataclass(slots=True)
class _Shown:
    """Items to be shown, and how far the ranked columns were looked at for them."""

    items: list[ItemRecord]
    columns: list[int]
    seen: int = 0
    refused: int = 0
    """items that did not pass the tests"""


def _shown(
    workspace: Workspace,
    found: ItemScores,
    ranked: I64,
    own: U64,
    k: int,
    tests: Sequence[AttributeTest],
) -> _Shown:
    """The first `k` items that pass the tests, but for those that have left the store."""
    shown = _Shown([], [])
    looks: set[tuple[str, str, float]] = set()
    page = PAGE + k
    while shown.seen < len(ranked) and len(shown.items) < k:
        columns = ranked[shown.seen : shown.seen + page]
        keys = found.keys[columns]
        again = np.isin(keys, own)
        records = workspace.store.items.read(keys.tolist(), with_vectors=True)
        for record, column, owned in zip(records, columns.tolist(), again.tolist(), strict=True):
            if len(shown.items) == k:
                break
            shown.seen += 1
            if record is None:
                continue
            if not passes_all(tests, record.attributes):
                shown.refused += 1
                continue
            # New items of one content have one vector: in a list of ten they would be one choice ten times.
            look = (record.title or record.item_id, record.scenario, float(found.scores[0, column]))
            if owned or look not in looks:
                looks.add(look)
                shown.items.append(record)
                shown.columns.append(column)
        page = min(2 * page, MOST_AT_A_TIME)
    return shown


def _may_lack(found: ItemScores, rest: I64, own: U64, asked: int, shown: _Shown, k: int) -> bool:
    """Whether an item that was not scored may belong among those shown, in the place of one that passed no test.

    rest: ranked columns that were not looked at. What was not scored is worse than any item among them that is not an own one.
    """
    if len(shown.items) == k and not np.isin(found.keys[rest], own).all():
        return False
    others = found.scores[0] > 0
    others &= ~np.isin(found.keys, own)
    return int(others.sum()) >= asked
